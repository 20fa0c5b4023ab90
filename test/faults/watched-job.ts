import { isFinal, JobPhase } from '../../protocol/jobs/job.ts';
import type { JobView } from '../../protocol/jobs/job-view.ts';
import type { RunningCommand } from '../support/test-room.ts';

/** A job that a worker has. */
type JobOfWorker = JobView & { worker: string };

/** What another peer of the room sees of its jobs. */
export class JobEventSource {
  readonly #listeners = new Set<(message: JobOfWorker) => void>();

  readonly receive = (job: JobView): void => {
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
export interface ReceivedEvent {
  message: JobOfWorker;
  /** From `performance.now()`. */
  atMs: number;
}

/** A job that a real CLI has submitted, as another peer of the room sees it. */
export class WatchedJob {
  readonly command: RunningCommand;
  /** How long `jobs cancel` or `jobs stop` took from its start to its answer, in ms. */
  acknowledgedMs: number | undefined;
  /** Everything that workers reported of it, in order. */
  readonly events: ReceivedEvent[] = [];
  readonly #id: Promise<string>;
  readonly #checks = new Set<() => void>();
  readonly #stop: () => void;

  /** @param jobId if the command does not submit it */
  constructor(command: RunningCommand, jobEvents: JobEventSource, jobId?: string) {
    this.command = command;
    const all: ReceivedEvent[] = [];
    let id = jobId;
    const take = (event: ReceivedEvent) => {
      if (event.message.job_id === id) this.events.push(event);
    };
    this.#stop = jobEvents.on((message) => {
      const event = { message, atMs: performance.now() };
      if (id === undefined) all.push(event);
      take(event);
      for (const check of this.#checks) check();
    });
    const submitted = command.untilShown(/Job \w+ is submitted/).then(() => {
      id = /Job (\w+) is submitted/.exec(command.shown())?.[1] ?? '';
      for (const event of all.splice(0)) take(event);
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

  /** The worker of the last event. */
  get worker(): string | undefined {
    return this.events.at(-1)?.message.worker;
  }

  /** The largest number of finished epochs that was reported. */
  get epochsDone(): number {
    return Math.max(0, ...this.events.map(({ message }) => message.epoch?.epoch ?? 0));
  }

  /** Resolves with the first event that fits, from `since` on; rejects if the command ends without one. */
  until(fits: (message: JobOfWorker) => boolean, since = 0): Promise<ReceivedEvent> {
    return Promise.race([this.untilEvent(fits, since), this.untilEnded()]);
  }

  /** The same for a job whose command may have ended. */
  untilEvent(fits: (message: JobOfWorker) => boolean, since = 0): Promise<ReceivedEvent> {
    const found = Promise.withResolvers<ReceivedEvent>();
    const check = () => {
      const event = this.events.find(({ message, atMs }) => atMs >= since && fits(message));
      if (event !== undefined) found.resolve(event);
    };
    this.#checks.add(check);
    check();
    return found.promise.finally(() => this.#checks.delete(check));
  }

  /** Resolves when a worker reports a phase. */
  untilPhase(phase: JobPhase, since = 0): Promise<ReceivedEvent> {
    return this.until((message) => message.phase === phase, since);
  }

  /** The epochs that were trained twice, and how long they had taken, in ms. */
  get lost(): { epochs: number; ms: number } {
    const lost = { epochs: 0, ms: 0 };
    /** When training last reached each number of finished epochs. */
    const reachedMs = new Map<number, number>();
    const seen = new Set<string>();
    let before: { epoch: number; atMs: number } | undefined;
    for (const { message, atMs } of this.events) {
      const { epoch, detail } = message;
      // A server that was started again repeats the last report.
      const repeated = seen.has(JSON.stringify(message));
      seen.add(JSON.stringify(message));
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
   * How long after a fault a worker first reported that the job continues, in ms; undefined if none did.
   * @param gone the worker that the fault ended
   */
  continuedAfterMs(faultMs: number, gone?: string): number | undefined {
    const order = JobPhase.options;
    const was = this.events.findLast(({ atMs }) => atMs <= faultMs)?.message.phase ?? 'queued';
    const continued = this.events.find(
      ({ message, atMs }) =>
        atMs > faultMs &&
        message.worker !== gone &&
        order.indexOf(message.phase) >= order.indexOf(was) &&
        !/^(loading|waiting)/.test(message.detail ?? ''),
    );
    return continued && continued.atMs - faultMs;
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
