import type { JobEvent, JobView } from '../../protocol/jobs/job-view.ts';

/** Events that a room's log holds; a reader that missed more gets all jobs instead. About 1 kB each. */
const MAX_EVENTS = 512;

/** Sequence numbers of a new log begin here, so that they increase also if the server has forgotten the earlier ones. */
function firstSeq(): number {
  return Date.now() * 1000;
}

/** What happened to the jobs of one room, for readers that were disconnected. */
export class EventLog {
  /** Events that nobody must miss, oldest first. */
  readonly #milestones: JobEvent[] = [];
  /** The newest event of each job that has not ended. */
  readonly #newest = new Map<string, JobEvent>();
  #seq = firstSeq();
  /** Nothing after this one is missing. */
  #completeSince = this.#seq;

  /** The number of the newest event. */
  get seq(): number {
    return this.#seq;
  }

  /**
   * Adds an event.
   * @param options `isMilestone` if readers must not miss it; `isLast` if the job has ended
   */
  append(job: JobView, { isMilestone, isLast }: { isMilestone: boolean; isLast: boolean }): JobEvent {
    this.#seq += 1;
    const event: JobEvent = { seq: this.#seq, job };
    if (isLast) this.#newest.delete(job.job_id);
    else this.#newest.set(job.job_id, event);
    if (isMilestone) {
      this.#milestones.push(event);
      if (this.#milestones.length > MAX_EVENTS) this.#completeSince = this.#milestones.shift()?.seq ?? this.#seq;
    }
    return event;
  }

  /** What a reader missed after `seq`, in order; undefined if the log does not go back so far. */
  since(seq: number): JobEvent[] | undefined {
    if (seq < this.#completeSince || seq > this.#seq) return undefined;
    const missed = new Map<number, JobEvent>();
    for (const event of [...this.#milestones, ...this.#newest.values()])
      if (event.seq > seq) missed.set(event.seq, event);
    return [...missed.values()].sort((a, b) => a.seq - b.seq);
  }
}
