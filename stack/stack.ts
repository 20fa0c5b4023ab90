import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { freePort } from './processes/ports.ts';
import { startTogether } from './processes/start-together.ts';
import { isReady, Programs } from './programs.ts';
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

/** How to start a stack. */
export interface StackOptions {
  /** Folder of all data and logs. A stack that is started again on the same folder uses them again. */
  dir: string;
  tools: Pick<Tools, 'python' | 'temporal' | 'weed'>;
  /** Called with a sentence before each part that takes noticeable time. */
  onProgress?: (message: string) => void;
  /** Called if one of our programs ends by itself. */
  onUnexpectedExit?: (message: string) => void;
  /** Further settings of the signaling server and the control worker. */
  env?: Readonly<Record<string, string>>;
  /** For tests of a bad network: gets S3's address and returns the address that our programs use instead. */
  s3Through?: (endpoint: string) => Promise<string>;
  /** Stops everything when aborted, also while starting. */
  signal?: AbortSignal;
}

/** A part that can be killed and started again while a job runs. */
export type StackPart = 'temporal' | 's3' | 'signaling' | 'control';

/** A GPU worker of a stack. */
export interface StackGpuWorker extends AsyncDisposable {
  name: string;
  pid: number;
  /** Its worker directory. */
  workDir: string;
  logFile: string;
  /** Settles when the process has ended. */
  exited: Promise<unknown>;
  /** Sends SIGTERM, and SIGKILL if the worker does not end in time. */
  stop(): Promise<void>;
}

/** A running stack and the addresses of its parts. */
export interface Stack extends AsyncDisposable {
  dir: string;
  /** The one URL that researchers and workers need. */
  serverUrl: string;
  temporalAddress: string;
  temporalUiUrl: string;
  /** The S3 server, with an administrator's keys. */
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
  /** Starts a killed part again, at the same address and on the same data. Returns when it is ready. */
  restart(part: StackPart): Promise<void>;
  /** Ends our workers, then the signaling server, then the other servers. Nothing is left running. */
  stop(): Promise<void>;
}

const SignalingReady = z.object({ url: z.url() });

/** Starts all parts of SLEAP-RTC on this machine, on free ports of 127.0.0.1, as processes of their own. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { onProgress, env } = options;
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true });
  options.signal?.throwIfAborted();
  const stopping = new AbortController();
  const { signal } = stopping;
  let onAbort = (): void => stopping.abort(); // until everything runs, the order does not matter
  options.signal?.addEventListener('abort', () => onAbort(), { once: true });

  onProgress?.('Starting Temporal, S3, DynamoDB and Cognito; about 2 s');
  const servers = await startServers(dir, options.tools, signal);
  const forPrograms: StackServers = { ...servers };
  const programs = new Programs({ dir, signal, onUnexpectedExit: options.onUnexpectedExit });

  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= programs.stop().then(async () => {
      stopping.abort();
      await Promise.all(Object.values(servers).map((server) => server?.stop()));
    });
    return stopped;
  };
  const startSignaling = (port: number) =>
    programs.start(
      'signaling',
      'signaling/main.ts',
      { ...signalingSettings(forPrograms, port), ...env },
      // Parsed strictly: a server that is ready but does not announce its URL is an error, not something to wait for.
      (line) => (isReady(line) ? SignalingReady.parse(line).url : undefined),
    );
  const startControl = () =>
    programs.start('control', 'workers/control/main.ts', { ...controlWorkerSettings(forPrograms), ...env }, isReady);

  let serverUrl: string;
  try {
    if (options.s3Through) forPrograms.s3 = { ...servers.s3, endpoint: await options.s3Through(servers.s3.endpoint) };
    onProgress?.('Starting the signaling server and the control worker; about 3 s');
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
    pids: () => programs.pids(),
    async startGpuWorker(worker) {
      const workDir = join(dir, 'workers', worker.name);
      await mkdir(workDir, { recursive: true });
      const settings = gpuWorkerSettings(forPrograms, worker, { serverUrl, workDir, python: options.tools.python });
      const child = await programs.start(worker.name, 'workers/gpu/main.ts', settings, isReady);
      const stopWorker = () => programs.stopWorker(child);
      const { name, pid, logFile, exited } = child;
      return { name, pid, workDir, logFile, exited, stop: stopWorker, [Symbol.asyncDispose]: stopWorker };
    },
    async kill(part) {
      if (part === 'temporal' || part === 's3') await servers[part].kill();
      else await programs.kill(part);
    },
    async restart(part) {
      if (part === 'temporal' || part === 's3') await servers[part].restart();
      else if (programs.isRunning(part)) return;
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
