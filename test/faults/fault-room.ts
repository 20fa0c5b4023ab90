import { watch } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { z } from 'zod';
import { RoomApi } from '../../cli/lib/api/api-client.ts';
import { SignIn } from '../../cli/lib/api/sign-in.ts';
import { JobSpec } from '../../protocol/jobs/job.ts';
import { jobWorkflowId } from '../../protocol/temporal/queues.ts';
import { ensureTools, type StackGpuWorker, type StackPart, startStack } from '../../stack/index.ts';
import type { Bucket } from '../../storage/index.ts';
import type { SignalingClient } from '../../transport/index.ts';
import { bucketOf } from '../support/bucket.ts';
import { FLIES_CONFIG, fliesLabels, fliesVideo, paddedLabels } from '../support/samples.ts';
import { createRoom, type TestRoom } from '../support/test-room.ts';
import { sleapNnOf } from './process-tree.ts';
import { S3Proxy } from './s3-proxy.ts';
import { JobEventSource, WatchedJob } from './watched-job.ts';

/** Epochs of a job: enough that a fault after one of them has others after it, or that training lasts as long as an outage. */
const EPOCHS = Number(process.env.SLEAP_RTC_FAULT_EPOCHS ?? 8);
/** How long workers may take until they are free, in ms: the loss of one is noticed, a new one joins the room. */
const FREE_TIMEOUT_MS = 60_000;

const STEPPING_CLOCK = join(import.meta.dirname, 'stepping-clock.ts');
/** The file with the number of milliseconds by which clocks are ahead. */
const CLOCK = 'ahead-ms';

const PARTS = ['temporal', 's3', 'signaling', 'control'] as const;

/** A stack, a room in it, workers, and the network between them and S3: everything that a fault test may break. */
export class FaultRoom {
  readonly room: TestRoom;
  /** The network between our programs and S3. */
  readonly network: S3Proxy;
  /** Asks S3 directly, not through the proxy. */
  readonly bucket: Bucket;
  readonly temporal: Client;
  readonly #workers = new Map<string, { worker: StackGpuWorker; env: Record<string, string> }>();
  readonly #jobEvents: JobEventSource;
  readonly #observer: SignalingClient;
  readonly #seen = new Set<number>();
  readonly #leftBehind = new Set<string>();
  readonly #ended = new Set<string>();
  #files = 0;
  #ahead = false;

  private constructor(parts: {
    room: TestRoom;
    network: S3Proxy;
    bucket: Bucket;
    temporal: Client;
    jobEvents: JobEventSource;
    observer: SignalingClient;
  }) {
    this.room = parts.room;
    this.network = parts.network;
    this.bucket = parts.bucket;
    this.temporal = parts.temporal;
    this.#jobEvents = parts.jobEvents;
    this.#observer = parts.observer;
  }

  static async start(workers: readonly string[]): Promise<FaultRoom> {
    const tools = await ensureTools();
    const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-faults-'));
    await mkdir(join(dir, 'clock'));
    await writeFile(join(dir, 'clock', CLOCK), '0');
    let network: S3Proxy | undefined;
    const stack = await startStack({
      dir,
      tools,
      onUnexpectedExit(message) {
        if (!message.includes('SIGKILL')) process.stdout.write(`${message}\n`); // which are ours
      },
      s3Through: async (endpoint) => {
        network = await S3Proxy.start(endpoint);
        return network.url;
      },
    });
    if (network === undefined) throw new Error('the stack has no S3');
    const room = await createRoom({ stack, tools, dir });
    const bucket = bucketOf(stack.s3, stack.s3.bucket);
    const temporal = new Client({ connection: await Connection.connect({ address: stack.temporalAddress }) });
    const jobEvents = new JobEventSource();
    const observer = await room.enter('observer', { job: jobEvents.receive });
    const faultRoom = new FaultRoom({ room, network, bucket, temporal, jobEvents, observer });
    await Promise.all(workers.map((worker) => faultRoom.startWorker(worker)));
    return faultRoom;
  }

  /** Trains the flies' labels with a CLI of its own. `noise`: so many bytes are put behind them, and no worker has them yet. */
  async train(options: {
    output: string;
    noise?: number;
    args?: string[];
    env?: Record<string, string>;
  }): Promise<WatchedJob> {
    const { room } = this;
    const labels = options.noise ? await this.#newLabels(options.noise) : fliesLabels(room.tools);
    const args = ['train', labels, '--config', await this.#config(), '--retrain', '-o', options.output, '--json'];
    return this.watch(room.cli([...args, ...(options.args ?? [])], { ...this.#clock, ...options.env }));
  }

  /** Predicts the first frames of the flies' video, with the room's newest model; one is trained if there is none. */
  async infer(options: { output: string; frames: number }): Promise<WatchedJob> {
    const { room } = this;
    if (Object.keys((await room.manifest()).models).length === 0) {
      await (await this.train({ output: await mkdtemp(join(room.folder, 'out-')) })).command;
    }
    const args = ['infer', fliesVideo(room.tools), '-m', 'latest-centroid', '--frames', `0-${options.frames - 1}`];
    return this.watch(room.cli([...args, '-o', options.output, '--json'], this.#clock));
  }

  /** Follows a job whose command is given. */
  watch(command: ReturnType<TestRoom['cli']>, jobId?: string): WatchedJob {
    return new WatchedJob(command, this.#jobEvents, jobId);
  }

  /** The worker of that name, as it runs now. */
  worker(name: string): StackGpuWorker {
    const worker = this.#workers.get(name);
    if (worker === undefined) throw new Error(`there is no worker ${name}`);
    return worker.worker;
  }

  /** The workers that run now. */
  get workerNames(): string[] {
    const running = this.room.stack.pids();
    return [...this.#workers.keys()].filter((name) => running[name] !== undefined);
  }

  async startWorker(name: string, env: Record<string, string> = {}): Promise<void> {
    // As in production: with the spare process whose imports are done.
    const worker = await this.room.startWorker(name, {
      SLEAP_RTC_WARM_TRAINER: process.env.SLEAP_RTC_WARM_TRAINER ?? '1',
      ...this.#clock,
      ...env,
    });
    this.#workers.set(name, { worker, env });
    this.#ended.delete(name);
  }

  /** Notes the processes of a worker. None of them may be left when the job has ended. */
  async remember(worker: string): Promise<void> {
    for (const child of await sleapNnOf(this.worker(worker).pid)) this.#seen.add(child);
  }

  /** Ends a worker as a power cut or an eviction would, and returns when it has. */
  async endWorker(name: string, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await this.remember(name);
    const { pid, exited, workDir } = this.worker(name);
    this.#ended.add(name);
    process.kill(pid, signal);
    if (signal !== 'SIGKILL') return;
    await exited;
    for (const job of await readdir(join(workDir, 'jobs'))) this.#leftBehind.add(job);
  }

  /** Stops a worker, which does not come back. */
  async removeWorker(name: string): Promise<void> {
    await this.worker(name).stop();
    this.#workers.delete(name);
  }

  /** Ends a server of the stack with kill -9. */
  async kill(part: StackPart): Promise<void> {
    if (part === 's3') await this.network.stopServing();
    await this.room.stack.kill(part);
  }

  /** Starts it again. */
  async restart(part: StackPart): Promise<void> {
    await this.room.stack.restart(part);
    if (part === 's3') await this.network.serveAgain();
  }

  /** The job as it was submitted. */
  async specOf(jobId: string): Promise<JobSpec> {
    const { events } = await this.temporal.workflow.getHandle(jobWorkflowId(this.room.id, jobId)).fetchHistory();
    const [payload] = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
    if (payload == null) throw new Error('the workflow has no input');
    return z.object({ spec: JobSpec }).parse(defaultPayloadConverter.fromPayload(payload)).spec;
  }

  /** The room's API, as the CLI uses it. */
  get api(): RoomApi {
    const { id: room, token, key, stack, folder } = this.room;
    const connection = { server: stack.serverUrl, room, token, key };
    return new RoomApi(connection, new SignIn(stack.serverUrl, join(folder, 'api')));
  }

  /** Sets the clocks of workers and researchers so much ahead of the machine's, and returns when all have taken the step. */
  async stepClocks(aheadMs: number): Promise<void> {
    const folder = join(this.room.dir, 'clock');
    this.#ahead = aheadMs !== 0;
    const running = this.workerNames.map((name) => String(this.worker(name).pid));
    const seen = new Set<string>();
    const taken = Promise.withResolvers<void>();
    const watching = watch(folder, (_, filename) => {
      seen.add(filename?.replace(`${CLOCK}.`, '') ?? '');
      if (running.every((pid) => seen.has(pid))) taken.resolve();
    });
    try {
      await writeFile(join(folder, CLOCK), String(aheadMs));
      await taken.promise;
    } finally {
      watching.close();
    }
  }

  /** Starts everything again that was ended, and waits until no worker has a job. */
  async heal(): Promise<void> {
    for (const part of PARTS) await this.restart(part);
    if (this.#ahead) await this.stepClocks(0);
    const gone = [...this.#workers].filter(([name]) => this.room.stack.pids()[name] === undefined);
    await Promise.all(gone.map(([name, { env }]) => this.startWorker(name, env)));
    await this.untilFree();
  }

  /** Resolves when every worker is in the room and free. */
  async untilFree(): Promise<void> {
    const signal = AbortSignal.timeout(FREE_TIMEOUT_MS);
    for (;;) {
      const changed = Promise.withResolvers<void>();
      const offs = (['peer_joined', 'peer_updated', 'peer_left', 'connected'] as const).map((event) =>
        this.#observer.on(event, () => changed.resolve()),
      );
      signal.addEventListener('abort', () => changed.reject(signal.reason), { once: true });
      try {
        const workers = await this.#observer.discoverPeers({ role: 'worker' }, { signal });
        const free = workers.filter(({ metadata }) => metadata.properties.status === 'available');
        if (this.workerNames.every((name) => free.some(({ peer_id }) => peer_id === name))) return;
        await changed.promise;
      } finally {
        for (const off of offs) off();
      }
    }
  }

  /** Ends all jobs and all workers, whatever their state, after a failed test. */
  async abandon(): Promise<void> {
    await this.restart('temporal');
    const query = `SleapRoom = '${this.room.id}' AND ExecutionStatus = 'Running'`;
    for await (const { workflowId } of this.temporal.workflow.list({ query })) {
      await this.temporal.workflow.getHandle(workflowId).terminate('its test has failed');
    }
    await Promise.all(this.workerNames.map((name) => this.endWorker(name, 'SIGKILL')));
  }

  /** True if a worker was stopped or killed, and has not been started again. */
  hasEnded(worker: string): boolean {
    return this.#ended.has(worker);
  }

  /** Jobs whose files a killed worker could not remove; they stay a day for a job that comes back. */
  get leftBehind(): ReadonlySet<string> {
    return this.#leftBehind;
  }

  /** Ids of the processes that have been noted. */
  get noted(): number[] {
    return [...this.#seen];
  }

  async stop(): Promise<void> {
    await this.#observer.close();
    await this.temporal.connection.close();
    this.bucket.s3.destroy();
    await this.room.stack.stop();
    await this.network[Symbol.asyncDispose]();
    if (process.env.SLEAP_RTC_KEEP_FAULTS) process.stdout.write(`left in ${this.room.dir}\n`);
    else await rm(this.room.dir, { recursive: true, force: true });
  }

  get #clock(): Record<string, string> {
    return { NODE_OPTIONS: `--import=${STEPPING_CLOCK}`, SLEAP_RTC_TEST_CLOCK: join(this.room.dir, 'clock', CLOCK) };
  }

  async #newLabels(noise: number): Promise<string> {
    this.#files += 1;
    const path = join(this.room.folder, `new-${this.#files}.pkg.slp`);
    return paddedLabels(this.room.tools, path, noise, this.#files);
  }

  async #config(): Promise<string> {
    const path = join(this.room.folder, 'centroid.yaml');
    const text = await readFile(FLIES_CONFIG, 'utf8');
    await writeFile(path, short(text));
    return path;
  }
}

/** Many short epochs, so that a fault hits the one it is meant for. */
function short(config: string): string {
  return config
    .replace('max_epochs: 5', `max_epochs: ${EPOCHS}\n  early_stopping: { stop_training_on_plateau: false }`)
    .replace('epoch: 20', 'epoch: 8');
}
