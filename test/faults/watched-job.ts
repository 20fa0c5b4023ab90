import { isFinal, JobPhase } from '../../protocol/job.ts';
import type { JobView } from '../../protocol/job-view.ts';
import type { RunningCommand } from '../support/test-room.ts';

/** A job that a worker has. */
type JobOfWorker = JobView & { worker: string };

/** What another peer of the room sees of its jobs. */
export class RoomEar {
  readonly #listeners = new Set<(message: JobOfWorker) => void>();

  readonly hear = (job: JobView): void => {
    const { worker } = job;
    if (worker === null || isFinal(job.phase)) return;
    for (const listener of this.#listeners) listener({ ...job, worker });
  };

  /** Calls `listener` with every event of a job that a worker has, until the returned function is called. */
  on(listener: (message: JobOfWorker) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** An event, and when it was received. */
export interface Heard {
  message: JobOfWorker;
  /** From `performance.now()`. */
  atMs: number;
}

/** A job that a real CLI has submitted, as the room hears of it. */
export class WatchedJob {
  readonly command: RunningCommand;
  /** How long a command that was to end it took from being typed to its answer, in ms. */
  acknowledgedMs: number | undefined;
  /** Everything that workers reported of it, in order. */
  readonly heard: Heard[] = [];
  readonly #id: Promise<string>;
  readonly #checks = new Set<() => void>();
  readonly #stop: () => void;

  /** @param jobId if the command does not submit it */
  constructor(command: RunningCommand, ear: RoomEar, jobId?: string) {
    this.command = command;
    const all: Heard[] = [];
    let id = jobId;
    const take = (heard: Heard) => {
      if (heard.message.job_id === id) this.heard.push(heard);
    };
    this.#stop = ear.on((message) => {
      const heard = { message, atMs: performance.now() };
      if (id === undefined) all.push(heard);
      take(heard);
      for (const check of this.#checks) check();
    });
    const submitted = command.untilShown(/Job \w+ is submitted/).then(() => {
      id = /Job (\w+) is submitted/.exec(command.shown())?.[1] ?? '';
      for (const heard of all.splice(0)) take(heard);
      for (const check of this.#checks) check();
      return id;
    });
    this.#id = jobId === undefined ? submitted : Promise.resolve(jobId);
    submitted.catch(() => undefined);
    this.#id.catch(() => undefined); // thrown to the caller that awaits it
  }

  /** The job's id, once it is submitted. */
  get id(): Promise<string> {
    return this.#id;
  }

  /** The worker that spoke last. */
  get worker(): string | undefined {
    return this.heard.at(-1)?.message.worker;
  }

  /** The largest number of finished epochs that was reported. */
  get epochsDone(): number {
    return Math.max(0, ...this.heard.map(({ message }) => message.epoch?.epoch ?? 0));
  }

  /** Resolves with the first message that fits, from `since` on; rejects when the command ends without. */
  until(fits: (message: JobOfWorker) => boolean, since = 0): Promise<Heard> {
    return Promise.race([this.untilHeard(fits, since), this.untilEnded()]);
  }

  /** The same of a job whose researcher may be gone. */
  untilHeard(fits: (message: JobOfWorker) => boolean, since = 0): Promise<Heard> {
    const found = Promise.withResolvers<Heard>();
    const check = () => {
      const heard = this.heard.find(({ message, atMs }) => atMs >= since && fits(message));
      if (heard !== undefined) found.resolve(heard);
    };
    this.#checks.add(check);
    check();
    return found.promise.finally(() => this.#checks.delete(check));
  }

  /** Resolves when a worker reports a phase. */
  untilPhase(phase: JobPhase, since = 0): Promise<Heard> {
    return this.until((message) => message.phase === phase, since);
  }

  /** What had to be trained again: epochs, and how long they had taken, in ms. */
  get lost(): { epochs: number; ms: number } {
    const lost = { epochs: 0, ms: 0 };
    /** When training last came to have so many epochs done. */
    const reachedMs = new Map<number, number>();
    const told = new Set<string>();
    let before: { epoch: number; atMs: number } | undefined;
    for (const { message, atMs } of this.heard) {
      const { epoch, detail } = message;
      // A server that was started again repeats the last report.
      const repeated = told.has(JSON.stringify(message));
      told.add(JSON.stringify(message));
      if (epoch === undefined || repeated || /^waiting/.test(detail ?? '')) continue;
      if (before !== undefined && epoch.epoch < before.epoch) {
        lost.epochs += before.epoch - epoch.epoch;
        lost.ms += before.atMs - (reachedMs.get(epoch.epoch) ?? before.atMs);
      }
      if (epoch.epoch !== before?.epoch || /^loading/.test(detail ?? '')) reachedMs.set(epoch.epoch, atMs);
      if (detail === 'training' && epoch.epoch === 0) reachedMs.set(0, atMs);
      before = { epoch: epoch.epoch, atMs };
    }
    return lost;
  }

  /**
   * How long after a fault a worker first reported that the job goes on, in ms; undefined if none did.
   * @param gone the worker that the fault took away
   */
  wentOnMs(faultMs: number, gone?: string): number | undefined {
    const order = JobPhase.options;
    const was = this.heard.findLast(({ atMs }) => atMs <= faultMs)?.message.phase ?? 'queued';
    const goesOn = this.heard.find(
      ({ message, atMs }) =>
        atMs > faultMs &&
        message.worker !== gone &&
        order.indexOf(message.phase) >= order.indexOf(was) &&
        !/^(loading|waiting)/.test(message.detail ?? ''),
    );
    return goesOn && goesOn.atMs - faultMs;
  }

  /** Rejects when the command ends. */
  async untilEnded(): Promise<never> {
    const { stderr } = await this.command;
    throw new Error(`the command ended before the job got there:\n${stderr}`);
  }

  stop(): void {
    this.#stop();
  }
}
