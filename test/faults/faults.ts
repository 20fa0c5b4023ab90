import assert from 'node:assert/strict';
import type { StackPart } from '../../stack/index.ts';
import type { CommandResult } from '../support/test-room.ts';
import type { FaultRoom } from './fault-room.ts';
import { epoch, type Moment, publish, transfer, upload } from './moments.ts';
import type { WatchedJob } from './watched-job.ts';

/** One row of the table. */
export interface Fault {
  fault: string;
  at: Moment;
  /** Part of `npm test`; the others run in `npm run test:faults` only. */
  quick?: boolean;
  /** Breaks something, and mends it where it is not left broken. Afterwards, if not before, the moment is let go of. */
  inject(at: FaultRoom, job: WatchedJob, letGo: () => void): Promise<void>;
  /** How the job ends. Default: it publishes, and its command succeeds. */
  ends?: 'cancelled';
  /** What is left to do for the researcher, and to check of their command; the job's own command is awaited by default. */
  afterwards?(at: FaultRoom, job: WatchedJob): Promise<void>;
}

const podEnds =
  (signal: 'SIGKILL' | 'SIGTERM') =>
  async (at: FaultRoom, job: WatchedJob): Promise<void> =>
    at.endPod(job.worker ?? '', signal);

/** A server that is killed, missed by whoever needs it, and started again. */
const restarts =
  (part: StackPart, awayMs: number) =>
  async (at: FaultRoom, _job: WatchedJob, letGo: () => void): Promise<void> => {
    await at.kill(part);
    letGo();
    await new Promise((resolve) => setTimeout(resolve, awayMs)); // how long it is away is part of the fault
    await at.restart(part);
  };

const cancels = async (at: FaultRoom, job: WatchedJob): Promise<void> => {
  const cancelled = await at.room.cli(['jobs', 'cancel', await job.id]);
  assert.equal(cancelled.exitCode, 0, cancelled.stderr);
};

const commandSays = (exitCode: number, words: RegExp) => async (_: FaultRoom, job: WatchedJob) => {
  const ended: CommandResult = await job.command;
  assert.equal(ended.exitCode, exitCode, ended.stderr);
  assert.match(ended.stdout, words); // its object, with --json
};

/** The order is that of a job's life. */
export const FAULTS: Fault[] = [
  ...(
    [
      [transfer(0.3), true],
      [epoch(1), false],
      [epoch(3), true],
      [epoch(6), false],
      [upload, true],
      [publish, true],
    ] as const
  ).flatMap(([at, quick]): Fault[] => [
    { fault: 'kill -9 of the pod', at, quick, inject: podEnds('SIGKILL') },
    { fault: 'SIGTERM to the pod', at, inject: podEnds('SIGTERM') },
  ]),
  ...[transfer(0.3), epoch(3), upload].map(
    (at): Fault => ({
      fault: 'jobs cancel',
      at,
      quick: at.phase.startsWith('training'),
      inject: cancels,
      ends: 'cancelled',
      afterwards: commandSays(7, /JOB_CANCELLED/),
    }),
  ),
  { fault: 'jobs cancel', at: publish, inject: cancels },
  ...(['signaling', 'temporal', 's3', 'control'] as const).flatMap((part) =>
    [transfer(0.3), epoch(3), publish].map(
      (at): Fault => ({
        fault: `${part} away for 10 s`,
        at,
        quick: at.phase.startsWith('training') && part !== 'control',
        inject: restarts(part, 10_000),
      }),
    ),
  ),
];
