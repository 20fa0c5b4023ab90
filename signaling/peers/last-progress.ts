import { isFinal } from '../../protocol/job.ts';
import type { PeerPayload, ProgressMessage } from '../../protocol/peer-messages.ts';

/** Jobs of one room whose progress is kept; the oldest makes way. */
const MAX_JOBS_IN_ROOM = 64;

/** A worker's last word on a job. */
export interface LastProgress {
  from_peer_id: string;
  payload: ProgressMessage;
}

/** Remembers each running job's last progress, so that who joins late, or after a restart, sees it at once. */
export class ProgressMemory {
  readonly #rooms = new Map<string, Map<string, LastProgress>>();
  readonly #onChange: () => void;

  constructor(options: { onChange?: () => void } = {}) {
    this.#onChange = options.onChange ?? (() => undefined);
  }

  /** Takes note of a payload that a worker sent; the end of a job forgets it. */
  observe(roomId: string, workerId: string, payload: PeerPayload): void {
    if (payload.type === 'progress' && !isFinal(payload.phase)) {
      const jobs = this.#rooms.get(roomId) ?? new Map<string, LastProgress>();
      this.#rooms.set(roomId, jobs);
      jobs.delete(payload.job_id);
      jobs.set(payload.job_id, { from_peer_id: workerId, payload });
      const [oldest] = jobs.keys();
      if (jobs.size > MAX_JOBS_IN_ROOM && oldest !== undefined) jobs.delete(oldest);
      this.#onChange();
    } else if (payload.type === 'progress' || payload.type === 'job_complete') {
      this.forget(roomId, payload.job_id);
    }
  }

  /** Drops a job that has ended. */
  forget(roomId: string, jobId: string): void {
    const jobs = this.#rooms.get(roomId);
    if (jobs?.delete(jobId) !== true) return;
    if (jobs.size === 0) this.#rooms.delete(roomId);
    this.#onChange();
  }

  /** The last word on each of a room's running jobs. */
  of(roomId: string): LastProgress[] {
    return [...(this.#rooms.get(roomId)?.values() ?? [])];
  }

  /** Everything, for the backup. */
  snapshot(): Record<string, LastProgress[]> {
    return Object.fromEntries([...this.#rooms].map(([roomId, jobs]) => [roomId, [...jobs.values()]]));
  }

  /** Takes a backup back. */
  restore(rooms: Record<string, LastProgress[]>): void {
    for (const [roomId, entries] of Object.entries(rooms)) {
      this.#rooms.set(roomId, new Map(entries.map((entry) => [entry.payload.job_id, entry])));
    }
  }
}
