import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import pino from 'pino';
import { type SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import type { JobSpec, JobStatus } from '../../protocol/jobs/job.ts';
import { emptyManifest, type Manifest } from '../../protocol/models/manifest.ts';
import { type SignalingServer, startSignalingServer } from '../../signaling/server.ts';
import { createMemoryBackends, type MemoryBackends, memoryConfig } from '../../signaling/testing/memory-backends.ts';

export const ROOM = 'lab-mice';
export const TOKEN = 'room-token-of-the-test';
export const ROOM_KEY = Buffer.alloc(32, 'room key of the test').toString('base64url');

/** The server asks about its jobs this often, so that tests see changes soon; in milliseconds. */
const ROUND_MS = 100;

/** A file of a published model or of predictions, as the storage would have it. */
export interface StoredFile {
  path: string;
  content: Buffer;
  sha256: string;
}

/**
 * The real signaling server, on backends in this process's memory and with one room, behind a front that records requests and
 * breaks them as a test wishes. The front also serves the downloads from the storage.
 */
export class TestServer implements AsyncDisposable {
  readonly manifest: Manifest = emptyManifest(ROOM, new Date());
  /** Files of models by model id, and predictions by job id. */
  readonly storage = new Map<string, StoredFile[]>();
  /** Requests as `METHOD path`, in order. */
  readonly requests: string[] = [];
  /** Changes what the storage sends, for tests of damage. */
  damage: (content: Buffer) => Buffer = (content) => content;
  /** The number of submissions whose answers are lost from now on. */
  lostReplies = 0;
  /** Answered to every API call while set. */
  refusal: SleapRtcError | undefined;
  readonly #backends: MemoryBackends;
  readonly #real: SignalingServer;
  readonly #sockets = new Set<Socket>();
  #http: Server | undefined;
  #port = 0;

  private constructor(backends: MemoryBackends, real: SignalingServer) {
    this.#backends = backends;
    this.#real = real;
  }

  static async start(): Promise<TestServer> {
    const backends = createMemoryBackends();
    backends.rooms.add(ROOM, TOKEN);
    const logger = pino({ level: 'silent' });
    const real = await startSignalingServer(memoryConfig(), { backends, logger, roundMs: ROUND_MS });
    const server = new TestServer(backends, real);
    await server.up();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Every job by id, with its spec if it was submitted. */
  get jobs(): ReadonlyMap<string, { spec: JobSpec | undefined; status: JobStatus }> {
    return this.#backends.jobs.all;
  }

  /** While true, S3 does not answer, and requests that need it are refused. */
  set storageUnavailable(unavailable: boolean) {
    this.#backends.storageUnavailable = unavailable;
  }

  /** How many actions on jobs are still to be left unanswered, as if no control worker ran. */
  set unansweredActions(count: number) {
    this.#backends.jobs.unansweredActions = count;
  }

  /** While true, Temporal does not answer. */
  set temporalUnavailable(unavailable: boolean) {
    this.#backends.jobs.unavailable = unavailable;
  }

  /** Starts to listen, on the same port as before if it has listened before. */
  async up(): Promise<void> {
    const http = createServer((req, res) => void this.#handle(req, res));
    http.on('upgrade', (req, socket: Socket, head: Buffer) => this.#tunnel(req, socket, head));
    this.#http = http.listen(this.#port, '127.0.0.1');
    await once(http, 'listening');
    this.#port = (http.address() as AddressInfo).port;
  }

  /** Ends as a killed server does: every connection is cut. */
  async down(): Promise<void> {
    const http = this.#http;
    if (http === undefined) return;
    this.#http = undefined;
    this.cut();
    const closed = once(http, 'close');
    http.close();
    http.closeAllConnections();
    await closed;
  }

  /** Cuts every WebSocket. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Sets a job's status. */
  update(jobId: string, changes: Partial<JobStatus>): void {
    this.#backends.jobs.update(jobId, changes);
  }

  /** Gives a job to a worker. Returns the id of its session. */
  openSession(jobId: string, worker: string): string {
    return this.#backends.jobs.openSession(jobId, worker);
  }

  /** Puts the log of a job's sleap-nn into the storage. */
  addLog(jobId: string, log: string): void {
    this.#backends.logs.set(`${ROOM}/${jobId}`, log);
  }

  /** A job that somebody else has submitted. */
  addJob(status: JobStatus): void {
    this.#backends.jobs.add(ROOM, status);
  }

  /** Resolves with the submitted job, as soon as there is one. */
  async submitted(): Promise<JobSpec> {
    for (;;) {
      const [job] = this.jobs.values();
      if (job?.spec !== undefined) return job.spec;
      await this.#backends.jobs.change();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
    await this.#real.stop();
  }

  async #handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = req;
    const { pathname } = new URL(url, this.url);
    this.requests.push(`${method} ${pathname}`);
    try {
      if (pathname.startsWith('/storage/')) return void res.end(this.#stored(pathname));
      if (this.refusal !== undefined) throw this.refusal;
      // The test knows the token of its room beforehand.
      if (method === 'POST' && pathname === '/api/rooms')
        return answer(res, 201, {
          room_id: ROOM,
          token: TOKEN,
          owner_token: `${TOKEN}-owner`,
          viewer_token: `${TOKEN}-viewer`,
          ...times(),
        });
      this.#publish();
      const reply = await this.#ask(method, url, req);
      if (method === 'POST' && pathname.endsWith('/jobs') && this.lostReplies > 0) {
        this.lostReplies -= 1;
        return void res.destroy();
      }
      res.writeHead(reply.status, { 'content-type': reply.headers.get('content-type') ?? 'application/json' });
      res.end(Buffer.from(await reply.arrayBuffer()));
    } catch (thrown) {
      const { code, message, remedy, exitCode } = toSleapRtcError(thrown);
      answer(res, exitCode === 5 ? 503 : 400, { error: { code, message, remedy } });
    }
  }

  /** Passes a request on to the real server. */
  async #ask(method: string, url: string, req: IncomingMessage): Promise<Response> {
    const names = ['authorization', 'x-room-token', 'content-type'];
    const headers = names.flatMap((name) =>
      req.headers[name] === undefined ? [] : [[name, String(req.headers[name])]],
    );
    const body = method === 'GET' ? undefined : await buffer(req);
    return fetch(`${this.#real.url}${url}`, {
      method,
      headers: Object.fromEntries(headers),
      ...(body === undefined || body.length === 0 ? {} : { body }),
    });
  }

  /** Passes a WebSocket on to the real server. */
  #tunnel(req: IncomingMessage, near: Socket, head: Buffer): void {
    const far = connect(Number(new URL(this.#real.url).port), '127.0.0.1', () => {
      const headers = req.rawHeaders.flatMap((name, index) =>
        index % 2 === 0 ? [`${name}: ${req.rawHeaders[index + 1]}`] : [],
      );
      far.write(`${req.method} ${req.url} HTTP/1.1\r\n${headers.join('\r\n')}\r\n\r\n`);
      far.write(head);
      near.pipe(far).pipe(near);
    });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }

  /** Puts the manifest and the files into the storage of the real server. */
  #publish(): void {
    this.#backends.manifests.set(ROOM, JSON.stringify(this.manifest));
    for (const [id, files] of this.storage) {
      const links = files.map(({ path, content, sha256 }) => {
        return { path, size_bytes: content.length, sha256, url: `${this.url}/storage/${id}/${path}` };
      });
      this.#backends.links.set(`${ROOM}/${id}`, links);
    }
  }

  #stored(pathname: string): Buffer {
    const [, , id = '', ...path] = pathname.split('/');
    const file = this.storage.get(id)?.find((candidate) => candidate.path === path.join('/'));
    if (file === undefined) throw new Error('There is no such object.');
    return this.damage(file.content);
  }
}

function answer(res: ServerResponse, status: number, body: object): void {
  res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function times(): { created_at: string; expires_at: string } {
  return { created_at: new Date().toISOString(), expires_at: new Date(Date.now() + 7_200_000).toISOString() };
}
