import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Child } from './processes/child.ts';
import { freePort } from './processes/ports.ts';
import { startProcess } from './processes/process.ts';
import { startTogether } from './processes/start-together.ts';
import { startCognito } from './servers/cognito.ts';
import { startDynamoDb } from './servers/dynamodb.ts';
import { type S3Server, startS3 } from './servers/s3.ts';
import { startTemporal } from './servers/temporal.ts';
import { startTurn } from './servers/turn.ts';
import {
  controlWorkerSettings,
  type GpuWorkerOptions,
  gpuWorkerSettings,
  ROOMS_BUCKET,
  STATE_BUCKET,
  type StackServers,
  signalingSettings,
} from './settings.ts';
import type { Tools } from './setup.ts';

/** How long our own workers may take to finish or hand back what they do before they are killed. */
const WORKER_GRACE_MS = 20_000;

/** How to start a stack. */
export interface StackOptions {
  /** All data and logs go here; a stack started again on the same folder goes on with them. */
  dir: string;
  tools: Pick<Tools, 'python' | 'temporal' | 'weed'>;
  /** Called with a sentence before each part that takes noticeable time. */
  onProgress?: (message: string) => void;
  /** Called when one of our programs ends without having been told to. */
  onUnexpectedExit?: (message: string) => void;
  /** Further settings of the signaling server and the control worker. */
  env?: Readonly<Record<string, string>>;
  /** For tests of a bad network: is given S3's address, and returns the one that our programs are told instead. */
  s3Through?: (endpoint: string) => Promise<string>;
  /** Stops everything when aborted, also while starting. */
  signal?: AbortSignal;
}

/** What may be killed and started again under a running job. */
export type StackPart = 'temporal' | 's3' | 'signaling' | 'control';

/** A GPU worker of a stack. */
export interface StackGpuWorker extends AsyncDisposable {
  name: string;
  pid: number;
  /** Its folder for jobs, models and datasets. */
  workDir: string;
  logFile: string;
  /** Settles when it has ended. */
  exited: Promise<unknown>;
  /** SIGTERM, and SIGKILL if it has not ended in time. */
  stop(): Promise<void>;
}

/** A running stack, and where its parts answer. */
export interface Stack extends AsyncDisposable {
  dir: string;
  /** The one URL that researchers and workers need. */
  serverUrl: string;
  temporalAddress: string;
  temporalUiUrl: string;
  /** The S3 server, with administrator's keys. */
  s3: Pick<S3Server, 'endpoint' | 'region' | 'accessKeyId' | 'secretAccessKey'> & {
    bucket: string;
    stateBucket: string;
  };
  servers: StackServers;
  /** Process ids of our own programs, by name (`signaling`, `control`, a worker's name): for fault tests. */
  pids(): Record<string, number>;
  /** Starts a GPU worker in a room and returns when it polls for jobs. */
  startGpuWorker(worker: GpuWorkerOptions): Promise<StackGpuWorker>;
  /** Ends a part with kill -9. */
  kill(part: StackPart): Promise<void>;
  /** Starts a part that was killed again, at the same address and on the same data; returns when it is well. */
  restart(part: StackPart): Promise<void>;
  /** Ends our workers, then the signaling server, then the servers; nothing is left running. */
  stop(): Promise<void>;
}

const ready = z.object({ event: z.literal('ready') });
const signalingReady = ready.extend({ url: z.url() });

/** Starts all parts of SLEAP-RTC on this machine, on free ports of 127.0.0.1, as processes of their own. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true });
  const { onProgress } = options;
  options.signal?.throwIfAborted();
  const stopping = new AbortController();
  const { signal } = stopping;
  let onAbort = (): void => stopping.abort(); // until all runs, there is no order to keep
  options.signal?.addEventListener('abort', () => onAbort(), { once: true });
  const programs = new Map<string, Child>();

  onProgress?.('Starting Temporal, S3, DynamoDB and Cognito; about 2 s');
  const servers = await startServers(dir, options.tools, signal);
  const told: StackServers = { ...servers };

  const startProgram = async <T>(
    name: string,
    program: string,
    env: Record<string, string>,
    announced: (line: unknown) => T | undefined,
  ): Promise<Child & { announced: T }> => {
    const path = fileURLToPath(new URL(`../${program}`, import.meta.url));
    const args = ['--disable-warning=ExperimentalWarning', path];
    const child = await startProcess({ name, command: process.execPath, args, env, dir, ready: announced, signal });
    programs.set(name, child);
    void child.exited.then(({ exitCode, signal: by }) => {
      programs.delete(name);
      if (signal.aborted || by === 'SIGTERM' || exitCode === 0) return;
      options.onUnexpectedExit?.(`${name} ended (${by ?? `exit code ${exitCode}`}); its log: ${child.logFile}`);
    });
    return child;
  };
  const isReady = (line: unknown): true | undefined => (ready.safeParse(line).success ? true : undefined);

  const stopInOrder = async (): Promise<void> => {
    const workers = [...programs].filter(([name]) => name !== 'signaling').map(([, child]) => child);
    await Promise.all(workers.map((child) => child.stop(WORKER_GRACE_MS)));
    await programs.get('signaling')?.stop();
    stopping.abort();
    await Promise.all(Object.values(servers).map((server) => server?.stop()));
  };

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= stopInOrder();
    return stopped;
  };

  const startSignaling = (port: number) =>
    startProgram(
      'signaling',
      'signaling/main.ts',
      { ...signalingSettings(told, port), ...options.env },
      // Parsed strictly: a server that is ready but does not say where is an error, not something to wait for.
      (line) => (isReady(line) ? signalingReady.parse(line).url : undefined),
    );
  const startControl = () =>
    startProgram('control', 'workers/control/main.ts', { ...controlWorkerSettings(told), ...options.env }, isReady);

  let serverUrl: string;
  try {
    if (options.s3Through) told.s3 = { ...servers.s3, endpoint: await options.s3Through(servers.s3.endpoint) };
    onProgress?.('Starting the signaling server and the workflow worker; about 3 s');
    const [{ announced }] = await Promise.all([startSignaling(await freePort()), startControl()]);
    serverUrl = announced;
    onAbort = (): void => void stop();
  } catch (error) {
    stopping.abort();
    await stop();
    throw error;
  }

  return {
    dir,
    serverUrl,
    temporalAddress: servers.temporal.address,
    temporalUiUrl: servers.temporal.uiUrl,
    s3: { ...servers.s3, bucket: ROOMS_BUCKET, stateBucket: STATE_BUCKET },
    servers,
    pids: () => Object.fromEntries([...programs].map(([name, child]) => [name, child.pid])),
    async startGpuWorker(worker) {
      const workDir = join(dir, 'workers', worker.name);
      await mkdir(workDir, { recursive: true });
      const settings = gpuWorkerSettings(told, worker, { serverUrl, workDir, python: options.tools.python });
      const child = await startProgram(worker.name, 'workers/gpu/main.ts', settings, isReady);
      const stopWorker = (): Promise<void> => child.stop(WORKER_GRACE_MS);
      const { name, pid, logFile, exited } = child;
      return { name, pid, workDir, logFile, exited, stop: stopWorker, [Symbol.asyncDispose]: stopWorker };
    },
    async kill(part) {
      if (part === 'temporal' || part === 's3') await servers[part].kill();
      else await programs.get(part)?.kill();
    },
    async restart(part) {
      if (part === 'temporal' || part === 's3') await servers[part].restart();
      else if (programs.has(part)) return;
      else if (part === 'control') await startControl();
      else await startSignaling(Number(new URL(serverUrl).port));
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function startServers(dir: string, tools: StackOptions['tools'], signal: AbortSignal): Promise<StackServers> {
  return startTogether(signal, {
    temporal: (stop) => startTemporal({ dir, temporal: tools.temporal, signal: stop }),
    s3: (stop) => startS3({ dir, weed: tools.weed, buckets: [ROOMS_BUCKET, STATE_BUCKET], signal: stop }),
    dynamodb: (stop) => startDynamoDb({ dir, signal: stop }),
    cognito: (stop) => startCognito({ dir, region: 'us-east-1', signal: stop }),
    turn: (stop) => startTurn({ dir, signal: stop }),
  });
}
