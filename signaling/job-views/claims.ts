import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';

/** What may wait of one worker, which has one job at a time and perhaps the end of the one before. */
const MAX_JOBS_OF_WORKER = 2;
const MAX_WORKER_BYTES = 32 * 1024;
/** What may wait in one room. */
const MAX_ROOM_BYTES = 512 * 1024;

/** A report whose session the server does not know yet. */
export interface Claim {
  worker: string;
  sessionId: string;
  progress: WorkerProgress;
  /** When it came, by `performance.now()`. */
  at: number;
}

/** The waiting reports of one worker, oldest first, and their bytes together. */
interface Waiting {
  claims: { claim: Claim; bytes: number }[];
  bytes: number;
}

/**
 * Reports of one room that wait until the job's workflow has said which session the job has. Whoever reports too much loses its own
 * oldest reports, so that a stranger cannot crowd out the worker that has the job.
 */
export class Claims {
  readonly #workers = new Map<string, Waiting>();
  /** How many reports wait about each job. */
  readonly #jobs = new Map<string, number>();
  #bytes = 0;

  /** Bytes of all waiting reports. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Returns false if its worker has reported about too many jobs. */
  add(claim: Claim): boolean {
    const waiting = this.#workers.get(claim.worker) ?? { claims: [], bytes: 0 };
    const { job_id } = claim.progress;
    const jobs = new Set(waiting.claims.map((other) => other.claim.progress.job_id)).add(job_id);
    if (jobs.size > MAX_JOBS_OF_WORKER) return false;
    const bytes = Buffer.byteLength(JSON.stringify(claim));
    waiting.claims.push({ claim, bytes });
    this.#workers.set(claim.worker, waiting);
    this.#count(waiting, job_id, { claims: 1, bytes });
    while (waiting.bytes > MAX_WORKER_BYTES && this.#dropOldest(claim.worker, waiting));
    while (this.#bytes > MAX_ROOM_BYTES && this.#dropOldest(...this.#largest()));
    return true;
  }

  /** How many jobs reports wait about. */
  get size(): number {
    return this.#jobs.size;
  }

  has(jobId: string): boolean {
    return this.#jobs.has(jobId);
  }

  /**
   * Takes out the reports that the job's session confirms, oldest first, and drops those that it refutes. Reports that came
   * after the workflow was asked stay: their session may be newer than the answer.
   */
  settle(jobId: string, sessionId: string | null, askedAt: number): Claim[] {
    const confirmed: Claim[] = [];
    if (!this.has(jobId)) return confirmed;
    this.#remove((claim) => {
      if (claim.progress.job_id !== jobId) return false;
      if (claim.sessionId === sessionId) confirmed.push(claim);
      return claim.sessionId === sessionId || claim.at <= askedAt;
    });
    return confirmed.sort((a, b) => a.at - b.at);
  }

  /** Drops the waiting reports of a job. */
  drop(jobId: string): void {
    if (this.has(jobId)) this.#remove(({ progress }) => progress.job_id === jobId);
  }

  /** Drops the waiting reports of a worker that has left. */
  left(worker: string): void {
    if (this.#workers.has(worker)) this.#remove((claim) => claim.worker === worker);
  }

  #remove(isOver: (claim: Claim) => boolean): void {
    for (const [worker, waiting] of [...this.#workers]) {
      const stay: Waiting['claims'] = [];
      for (const entry of waiting.claims) {
        if (isOver(entry.claim)) this.#count(waiting, entry.claim.progress.job_id, { claims: -1, bytes: -entry.bytes });
        else stay.push(entry);
      }
      waiting.claims = stay;
      if (stay.length === 0) this.#workers.delete(worker);
    }
  }

  #dropOldest(worker: string, waiting: Waiting): boolean {
    const oldest = waiting.claims.shift();
    if (oldest === undefined) return false;
    this.#count(waiting, oldest.claim.progress.job_id, { claims: -1, bytes: -oldest.bytes });
    if (waiting.claims.length === 0) this.#workers.delete(worker);
    return true;
  }

  #largest(): [string, Waiting] {
    return [...this.#workers].reduce((a, b) => (b[1].bytes > a[1].bytes ? b : a));
  }

  #count(waiting: Waiting, jobId: string, more: { claims: number; bytes: number }): void {
    waiting.bytes += more.bytes;
    this.#bytes += more.bytes;
    const claims = (this.#jobs.get(jobId) ?? 0) + more.claims;
    if (claims === 0) this.#jobs.delete(jobId);
    else this.#jobs.set(jobId, claims);
  }
}
