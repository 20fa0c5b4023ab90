import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StackPart } from '../../stack/index.ts';
import type { CommandResult } from '../support/test-room.ts';
import type { FaultRoom } from './fault-room.ts';
import { begin, epoch, type Moment, predicting, publish, queued, replyLost, transfer, upload } from './moments.ts';
import { finalStatus } from './outcome.ts';
import { mountSmallDisk, noSmallDisk } from './small-disk.ts';
import type { WatchedJob } from './watched-job.ts';

/** How long a server is unavailable, in ms: longer than Temporal's heartbeat timeout, after which it counts workers as dead. */
export const UNAVAILABLE_MS = Number(process.env.SLEAP_RTC_UNAVAILABLE_SECONDS ?? 10) * 1_000;
/** From typing `jobs cancel` or `jobs stop` to its answer, in ms. */
const ANSWER_TIMEOUT_MS = 5_000;
/** Less than the data of a job that is `large`. */
const SMALL_DISK_BYTES = 60_000_000;
/** Less than a model, which has about a megabyte. */
const SMALL_OUTPUT_BYTES = 400_000;

/** What a row needs in addition to the others. */
interface Prepared {
  /** The folder for the results of the job's own command; default: a new one. */
  output?: string;
  args?: string[];
  undo: () => Promise<void>;
}

/** One row of the table. */
export interface Fault {
  fault: string;
  at: Moment;
  /** Part of `npm test`; the others run in `npm run test:faults` only. */
  quick?: boolean;
  /** Why this machine cannot do it; undefined if it can. */
  unless?(): Promise<string | undefined>;
  /** The job is an inference; default: a training. */
  infers?: boolean;
  /** No worker has the job's data before it begins. */
  newData?: boolean;
  /** Prepares what must exist before the job begins. */
  prepare?(at: FaultRoom): Promise<Prepared>;
  /** Injects the fault, and repairs it unless it stays. The moment is released afterwards, if not before. */
  inject(at: FaultRoom, job: WatchedJob, onInjected: () => void): Promise<void>;
  /** How the job ends. Default: it publishes, and its command succeeds. */
  ends?: 'cancelled';
  /** What the researcher does afterwards, and how their command ends. Default: waits for the job's own command. */
  afterwards?(at: FaultRoom, job: WatchedJob, output: string): Promise<void>;
}

const workerEnds =
  (signal: 'SIGKILL' | 'SIGTERM') =>
  async (at: FaultRoom, job: WatchedJob): Promise<void> =>
    at.endWorker(job.worker ?? '', signal);

/** A server that is killed, is needed while it is unavailable, and is started again. */
const restarts =
  (part: StackPart) =>
  async (at: FaultRoom, _job: WatchedJob, onInjected: () => void): Promise<void> => {
    await at.kill(part);
    onInjected();
    await new Promise((resolve) => setTimeout(resolve, UNAVAILABLE_MS)); // how long it is unavailable is part of the fault
    await at.restart(part);
  };

/** Types a command about the job, which is answered soon. */
const types =
  (command: 'cancel' | 'stop') =>
  async (at: FaultRoom, job: WatchedJob): Promise<void> => {
    const typedMs = performance.now();
    const answer = await at.room.cli(['jobs', command, await job.id]);
    job.acknowledgedMs = performance.now() - typedMs;
    assert.equal(answer.exitCode, 0, answer.stderr);
    assert.ok(job.acknowledgedMs <= ANSWER_TIMEOUT_MS, `answered after ${job.acknowledgedMs} ms`);
  };

const commandSays = (exitCode: number, words: RegExp) => async (_: FaultRoom, job: WatchedJob) => {
  const ended: CommandResult = await job.command;
  assert.equal(ended.exitCode, exitCode, ended.stderr);
  assert.match(ended.stdout, words); // its object, with --json
};

/** A second worker is lost as soon as it has trained as far as the first one, which is back by then. */
const bothWorkersDie = async (at: FaultRoom, job: WatchedJob): Promise<void> => {
  const first = job.worker ?? '';
  await at.endWorker(first, 'SIGKILL');
  const { message } = await job.until(({ worker, epoch }) => worker !== first && (epoch?.epoch ?? 0) > 3);
  await at.startWorker(first);
  await at.endWorker(message.worker, 'SIGKILL');
};

const nothing = async (): Promise<void> => {};

const laptopGoes = async (_: FaultRoom, job: WatchedJob): Promise<void> => {
  await job.id;
  job.command.kill();
  await job.command;
};

const withoutStaging = async (): Promise<Prepared> => ({ args: ['--no-stage'], undo: nothing });

/** Only the laptop still has the data after the worker is lost: the job waits for the laptop, and every reader sees that. */
const workerAndLaptopGo = async (at: FaultRoom, job: WatchedJob): Promise<void> => {
  const first = job.worker ?? '';
  await at.endWorker(first, 'SIGKILL');
  await laptopGoes(at, job);
  await job.untilEvent(({ worker, detail }) => worker !== first && /^waiting for the researcher/.test(detail ?? ''));
  const shown = await at.room.cli(['jobs', 'show', await job.id]);
  assert.match(shown.stdout, /the researcher’s computer is needed again/);
};

/** The researcher is back, with the same laptop: the data is served again, and the results are brought. */
const attaches = async (at: FaultRoom, job: WatchedJob, output: string): Promise<void> => {
  const attached = await at.room.cli(['jobs', 'attach', await job.id, '-o', output]);
  assert.equal(attached.exitCode, 0, attached.stderr);
};

/** The job ends without the researcher, who fetches its results some time later. */
const getsLater = async (at: FaultRoom, job: WatchedJob, output: string): Promise<void> => {
  await finalStatus(at, await job.id);
  const fetched = await at.room.cli(['jobs', 'get', await job.id, '-o', output]);
  assert.equal(fetched.exitCode, 0, fetched.stderr);
};

/** Submits the same job again, as a CLI does that got no answer. */
const submitsAgain = async (at: FaultRoom, job: WatchedJob): Promise<void> => {
  const { api } = at;
  const { job_id } = await api.submitJob(await at.specOf(await job.id));
  assert.equal(job_id, await job.id);
};

/** Sets the wall clocks of all workers and of the researcher's computer. */
const clockSteps = (ms: number) => async (at: FaultRoom) => at.stepClocks(ms);

/** Lets all workers but one take jobs, or no jobs. */
const othersTakeJobs = async (at: FaultRoom, one: string, takes: boolean): Promise<void> => {
  for (const name of at.workerNames.filter((other) => other !== one)) {
    const drained = await at.room.cli(['workers', 'drain', name, ...(takes ? ['--undo'] : [])]);
    assert.equal(drained.exitCode, 0, drained.stderr);
  }
};

/** The only worker that takes jobs has a disk that is too small for the data. */
const workerWithSmallDisk = async (at: FaultRoom): Promise<Prepared> => {
  const unmount = await mountSmallDisk(join(at.room.stack.dir, 'workers', 'small'), SMALL_DISK_BYTES);
  await at.startWorker('small', { SLEAP_RTC_WARM_TRAINER: '0' });
  await othersTakeJobs(at, 'small', false);
  const undo = async () => {
    await othersTakeJobs(at, 'small', true);
    await at.removeWorker('small');
    await unmount();
  };
  return { undo };
};

/** The job leaves that worker, waits and says why; then another worker takes it. */
const movesToWorkerWithRoom = async (at: FaultRoom, job: WatchedJob): Promise<void> => {
  await job.command.untilShown(/small had trouble: .* are needed/);
  await othersTakeJobs(at, 'small', true);
};

/** A laptop whose disk is too small for the model. */
const laptopWithSmallDisk = async (at: FaultRoom): Promise<Prepared> => {
  const output = join(at.room.folder, 'small');
  const undo = await mountSmallDisk(output, SMALL_OUTPUT_BYTES);
  return { output, undo };
};

/** The command names the fault and leaves no files; the model is in the room, and fits on another disk. */
const getsElsewhere = async (at: FaultRoom, job: WatchedJob, output: string): Promise<void> => {
  await commandSays(3, /DISK_FULL/)(at, job);
  assert.deepEqual(await readdir(join(at.room.folder, 'small')), []);
  await getsLater(at, job, output);
};

/** In the order of a job's phases. */
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
    { fault: 'kill -9 of the worker', at, quick, inject: workerEnds('SIGKILL') },
    { fault: 'SIGTERM to the worker', at, inject: workerEnds('SIGTERM') },
  ]),
  ...[transfer(0.3), epoch(3), upload].map(
    (at): Fault => ({
      fault: 'jobs cancel',
      at,
      quick: at === upload,
      inject: types('cancel'),
      ends: 'cancelled',
      afterwards: commandSays(7, /JOB_CANCELLED/),
    }),
  ),
  { fault: 'jobs cancel', at: publish, inject: types('cancel') },
  {
    fault: 'jobs cancel',
    at: queued,
    prepare: async () => ({ args: ['--worker', 'nobody'], undo: nothing }),
    inject: types('cancel'),
    ends: 'cancelled',
    afterwards: commandSays(7, /JOB_CANCELLED/),
  },
  { fault: 'jobs stop', at: epoch(3), inject: types('stop') },
  { fault: 'kill -9 of two workers in turn', at: epoch(3), inject: bothWorkersDie },
  { fault: 'laptop gone, and back', at: transfer(0.1), inject: laptopGoes, afterwards: attaches },
  { fault: 'laptop gone, and back', at: transfer(0.6), quick: true, inject: laptopGoes, afterwards: attaches },
  { fault: 'laptop gone', at: epoch(1), quick: true, inject: laptopGoes, afterwards: getsLater },
  {
    fault: 'kill -9 of the worker and laptop gone, --no-stage',
    at: epoch(3),
    quick: true,
    newData: true,
    prepare: withoutStaging,
    inject: workerAndLaptopGo,
    afterwards: attaches,
  },
  { fault: 'submitted twice', at: epoch(3), quick: true, inject: submitsAgain },
  { fault: 'clocks step 1 h on', at: epoch(3), inject: clockSteps(3_600_000) },
  { fault: 'clocks step 1 h back', at: epoch(3), inject: clockSteps(-3_600_000) },
  {
    fault: 'disk full on the worker',
    at: begin(true),
    unless: noSmallDisk,
    prepare: workerWithSmallDisk,
    inject: movesToWorkerWithRoom,
  },
  {
    fault: 'disk full on the laptop',
    at: begin(false),
    unless: noSmallDisk,
    prepare: laptopWithSmallDisk,
    inject: nothing,
    afterwards: getsElsewhere,
  },
  ...['best.ckpt', 'files.json', 'claim.json'].map((name): Fault => {
    const at = replyLost(`PUT ${name}`, new RegExp(`^PUT .*/models/[^/]+/${name}`));
    return { fault: 'reply of a write to S3 lost', at, quick: name === 'files.json', inject: nothing };
  }),
  {
    fault: 'reply of a write to S3 lost',
    at: replyLost('PUT manifest.json', /^PUT [^/]+\/manifest\.json/),
    quick: true,
    inject: nothing,
  },
  ...(['signaling', 'temporal', 's3', 'control'] as const).flatMap((part) =>
    [transfer(0.3), epoch(3), upload, publish].map(
      (at): Fault => ({
        fault: `${part} unavailable for ${UNAVAILABLE_MS / 1_000} s`,
        at,
        quick: at.phase.startsWith('training') && part !== 'control',
        inject: restarts(part),
      }),
    ),
  ),
  { fault: 'kill -9 of the worker', at: predicting, quick: true, infers: true, inject: workerEnds('SIGKILL') },
];
