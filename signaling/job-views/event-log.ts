import type { JobEvent, JobView } from '../../protocol/jobs/job-view.ts';

/** Events that a room's log holds, and their bytes of JSON; a reader that missed more gets all jobs instead. */
const MAX_EVENTS = 512;
const MAX_BYTES = 1024 * 1024;

/** Sequence numbers of a new log begin here, so that they increase also if the server has forgotten the earlier ones. */
function firstSeq(): number {
  return Date.now() * 1000;
}

/** What happened to the jobs of one room, for readers that were disconnected. */
export class EventLog {
  /** Events that nobody must miss, oldest first. */
  readonly #milestones: { event: JobEvent; bytes: number }[] = [];
  #bytes = 0;
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
      const bytes = Buffer.byteLength(JSON.stringify(job));
      this.#milestones.push({ event, bytes });
      this.#bytes += bytes;
      while (this.#milestones.length > MAX_EVENTS || this.#bytes > MAX_BYTES) this.#dropOldest();
    }
    return event;
  }

  #dropOldest(): void {
    const oldest = this.#milestones.shift();
    if (oldest === undefined) return;
    this.#bytes -= oldest.bytes;
    this.#completeSince = oldest.event.seq;
  }

  /** What a reader missed after `seq`, in order; undefined if the log does not go back so far. */
  since(seq: number): JobEvent[] | undefined {
    if (seq < this.#completeSince || seq > this.#seq) return undefined;
    const missed = new Map<number, JobEvent>();
    for (const event of [...this.#milestones.map(({ event }) => event), ...this.#newest.values()])
      if (event.seq > seq) missed.set(event.seq, event);
    return [...missed.values()].sort((a, b) => a.seq - b.seq);
  }
}
