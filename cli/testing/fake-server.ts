import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import { isFinal, type JobPhase, JobSpec, type JobStatus } from '../../protocol/job.ts';
import { endedAlready } from '../../protocol/job-refusals.ts';
import { emptyManifest, type Manifest } from '../../protocol/manifest.ts';
import { FakeRoom } from './fake-room.ts';

export const ROOM = 'lab-mice';
export const TOKEN = 'room-token-of-the-test';
export const ROOM_KEY = Buffer.alloc(32, 'room key of the test').toString('base64url');

/** A file of a published model or of predictions, as the storage would have it. */
export interface StoredFile {
  path: string;
  content: Buffer;
  sha256: string;
}

/**
 * A signaling server of one room, in the test's process: the contract of `protocol/api.ts` and `protocol/signaling.ts`, with
 * handles for tests to say what becomes of jobs and what breaks. What the real server does is tested there and end to end.
 */
export class FakeServer implements AsyncDisposable {
  readonly room = new FakeRoom();
  readonly manifest: Manifest = emptyManifest(ROOM, new Date());
  /** By model, and by job for what it has predicted. */
  readonly storage = new Map<string, StoredFile[]>();
  readonly jobs = new Map<string, { spec?: JobSpec; status: JobStatus }>();
  /** Requests as `METHOD path`, in order. */
  readonly requests: string[] = [];
  /** Changes what the storage sends, for tests of damage. */
  damage: (content: Buffer) => Buffer = (content) => content;
  /** Submits whose answer is to be lost on the way. */
  lostReplies = 0;
  /** S3 does not answer while set: what needs it is refused. */
  storageAway = false;
  /** How many actions on jobs are still to be left unanswered, as if no control worker ran. */
  unansweredActions = 0;
  /** Answered to every API call while set. */
  refusal: SleapRtcError | undefined;
  #http: Server | undefined;
  #port = 0;
  #waiting = new Set<() => void>();

  static async start(): Promise<FakeServer> {
    const server = new FakeServer();
    await server.up();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Starts to listen, on the port of before where there was one. */
  async up(): Promise<void> {
    this.#http = createServer((req, res) => void this.#handle(req, res));
    this.room.attach(this.#http);
    this.#http.listen(this.#port, '127.0.0.1');
    await once(this.#http, 'listening');
    this.#port = (this.#http.address() as AddressInfo).port;
  }

  /** Goes away as a killed server does: every connection is cut. */
  async down(): Promise<void> {
    const http = this.#http;
    if (http === undefined) return;
    this.room.cut();
    const closed = once(http, 'close');
    http.close();
    http.closeAllConnections();
    await closed;
  }

  /** Says how a job stands now. */
  update(jobId: string, changes: Partial<JobStatus>): void {
    const job = this.jobs.get(jobId);
    if (job === undefined) throw new Error(`no job ${jobId}`);
    job.status = { ...job.status, ...changes };
    for (const wake of this.#waiting) wake();
  }

  /** A job that somebody else has submitted. */
  addJob(status: JobStatus): void {
    this.jobs.set(status.job_id, { status });
  }

  /** The next job that is submitted, or the one that has been. */
  async submitted(): Promise<JobSpec> {
    for (;;) {
      const [job] = this.jobs.values();
      if (job?.spec !== undefined) return job.spec;
      await this.#changed(60_000);
    }
  }

  /** Waits until a job stands as wanted. */
  async until(jobId: string, wanted: (status: JobStatus) => boolean): Promise<JobStatus> {
    for (;;) {
      const job = this.jobs.get(jobId);
      if (job !== undefined && wanted(job.status)) return job.status;
      await this.#changed(60_000);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  #changed(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      this.#waiting.add(wake);
    });
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const url = new URL(req.url ?? '/', this.url);
    this.requests.push(`${req.method} ${url.pathname}`);
    try {
      const body = await this.#answer(req, url);
      if (req.method === 'POST' && url.pathname.endsWith('/jobs') && this.lostReplies > 0) {
        this.lostReplies -= 1;
        res.destroy();
      } else if (Buffer.isBuffer(body)) res.end(body);
      else res.setHeader('content-type', 'application/json').end(JSON.stringify(body));
    } catch (thrown) {
      const { code, message, remedy, exitCode } = toSleapRtcError(thrown);
      res.statusCode = exitCode === 5 ? 503 : 400;
      res.setHeader('content-type', 'application/json').end(JSON.stringify({ error: { code, message, remedy } }));
    }
  }

  async #answer(req: IncomingMessage, url: URL): Promise<unknown> {
    const { pathname } = url;
    if (pathname.startsWith('/storage/')) return this.#stored(pathname);
    if (this.refusal !== undefined) throw this.refusal;
    if (pathname === '/anonymous-signin') {
      const expires = new Date(Date.now() + 3_600_000).toISOString();
      return { user_id: 'user-1', id_token: `id-${this.requests.length}`, expires_at: expires };
    }
    if (!/^Bearer id-\d+$/.test(req.headers.authorization ?? ''))
      throw new SleapRtcError('SIGN_IN_REQUIRED', 'Sign in.');
    const times = { created_at: new Date().toISOString(), expires_at: new Date(Date.now() + 7_200_000).toISOString() };
    if (pathname === '/api/rooms') return { room_id: ROOM, token: TOKEN, ...times };
    const [, room, rest = ''] = /^\/api\/rooms\/([^/]+)(.*)$/.exec(pathname) ?? [];
    if (room !== ROOM) throw new SleapRtcError('ROOM_UNKNOWN', `There is no room named ${room}.`);
    if (req.headers['x-room-token'] !== TOKEN)
      throw new SleapRtcError('TOKEN_REFUSED', 'This token does not open the room.');
    if (rest === '' || rest === '/open') return { room_id: ROOM, ...times, ...this.room.counts() };
    const needsStorage = rest === '/manifest' || /\/(files|results)$/.test(rest);
    if (needsStorage && this.storageAway)
      throw new SleapRtcError('STORAGE_UNREACHABLE', 'The S3 storage cannot be reached.');
    if (rest === '/manifest') return this.manifest;
    if (rest === '/jobs' && req.method === 'POST') return this.#submit(JobSpec.parse(JSON.parse(await text(req))));
    if (rest === '/jobs') return { jobs: [...this.jobs.values()].map(({ status }) => status) };
    const [, model] = /^\/models\/([^/]+)\/files$/.exec(rest) ?? [];
    if (model !== undefined) return this.#links(model, 'MODEL_NOT_FOUND');
    const [, inferred] = /^\/jobs\/([^/]+)\/results$/.exec(rest) ?? [];
    if (inferred !== undefined) return this.#links(inferred, 'JOB_NOT_FOUND');
    const [, jobId = '', action] = /^\/jobs\/([^/]+)(?:\/(cancel|stop|pause|resume))?$/.exec(rest) ?? [];
    if (action !== undefined) return this.#control(jobId, action);
    return this.#job(jobId, Number(url.searchParams.get('wait_ms')));
  }

  #submit(spec: JobSpec): unknown {
    const { job_id, kind, name } = spec;
    const status: JobStatus = {
      job_id,
      kind,
      name,
      user_id: 'user-1',
      phase: 'queued',
      detail: 'waiting for a worker',
      worker: null,
      models: [],
      submitted_at: new Date().toISOString(),
      error: null,
    };
    if (!this.jobs.has(job_id)) this.jobs.set(job_id, { spec, status });
    for (const wake of this.#waiting) wake();
    return this.#reply(job_id);
  }

  async #job(jobId: string, waitMs: number): Promise<unknown> {
    const end = Date.now() + waitMs;
    while (!isFinal(this.#find(jobId).phase) && Date.now() < end) await this.#changed(end - Date.now());
    return this.#reply(jobId);
  }

  #control(jobId: string, action: string): unknown {
    const status = this.#find(jobId);
    const { phase, detail } = status;
    if (this.unansweredActions > 0) {
      this.unansweredActions -= 1;
      throw new SleapRtcError('CONTROL_UNAVAILABLE', `Job ${jobId} has not accepted \`${action}\` yet.`);
    }
    if (isFinal(phase)) throw endedAlready(status);
    const refuse = (sentence: string) =>
      new SleapRtcError('JOB_ACTION_REFUSED', `Job ${jobId} ${sentence}: ${detail}.`);
    const move = (to: JobPhase, how = `${to} now`) => this.update(jobId, { phase: to, detail: how });
    const isWaiting = phase === 'queued' || phase === 'receiving' || phase === 'paused';
    if (action === 'cancel') move('cancelled', 'The job was cancelled.');
    else if (action === 'stop' && isWaiting) move('cancelled', 'Stopped before anything was trained.');
    else if (action === 'stop' && phase !== 'training') throw refuse('has no training under way to stop');
    else if (action === 'stop') move(phase, 'centroid ends early');
    else if (action === 'pause' && !isWaiting && phase !== 'training')
      throw refuse('is not paused, since nothing is being trained now');
    else if (action === 'pause') move('paused');
    else if (phase !== 'paused') throw refuse('is not paused');
    else move('queued');
    return this.#reply(jobId);
  }

  #reply(jobId: string): unknown {
    return { status: this.#find(jobId), temporal_ui_url: `http://temporal.test/${jobId}` };
  }

  #find(jobId: string): JobStatus {
    const job = this.jobs.get(jobId);
    if (job === undefined) throw new SleapRtcError('JOB_NOT_FOUND', `The room has no job ${jobId}.`);
    return job.status;
  }

  #links(id: string, none: 'MODEL_NOT_FOUND' | 'JOB_NOT_FOUND'): unknown {
    const files = this.storage.get(id);
    if (files === undefined) throw new SleapRtcError(none, `The room has no files of ${id}.`);
    return {
      files: files.map(({ path, content, sha256 }) => {
        const url = `${this.url}/storage/${id}/${path}`;
        return { path, size_bytes: content.length, sha256, url };
      }),
    };
  }

  #stored(pathname: string): Buffer {
    const [, , id = '', ...path] = pathname.split('/');
    const file = this.storage.get(id)?.find((candidate) => candidate.path === path.join('/'));
    if (file === undefined) throw new SleapRtcError('MODEL_NOT_FOUND', 'no such object');
    return this.damage(file.content);
  }
}
