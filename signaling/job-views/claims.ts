import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';

/** Jobs of one room about which reports may wait, and reports of each. A worker reports some times a second. */
const MAX_JOBS = 64;
const MAX_REPORTS = 64;

/** A report whose session the server does not know yet. */
export interface Claim {
  worker: string;
  sessionId: string;
  progress: WorkerProgress;
  /** When it came, by `performance.now()`. */
  at: number;
}

/** Reports of one room that wait until the job's workflow has said which session the job has. */
export class Claims {
  readonly #jobs = new Map<string, Claim[]>();

  /** Returns false if there are too many already. */
  add(claim: Claim): boolean {
    const { job_id } = claim.progress;
    const claims = this.#jobs.get(job_id) ?? [];
    if (claims.length === 0 && this.#jobs.size >= MAX_JOBS) return false;
    claims.push(claim);
    if (claims.length > MAX_REPORTS) claims.shift();
    this.#jobs.set(job_id, claims);
    return true;
  }

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
    const claims = this.#jobs.get(jobId) ?? [];
    const later = claims.filter((claim) => claim.sessionId !== sessionId && claim.at > askedAt);
    if (later.length === 0) this.#jobs.delete(jobId);
    else this.#jobs.set(jobId, later);
    return claims.filter((claim) => claim.sessionId === sessionId);
  }

  /** Drops the waiting reports of a job. */
  drop(jobId: string): void {
    this.#jobs.delete(jobId);
  }
}
