import { withEpoch } from '../../protocol/jobs/curve.ts';
import { MAX_RUNS } from '../../protocol/jobs/job.ts';
import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { RunCurve } from '../../protocol/jobs/run-curve.ts';

/**
 * Jobs of one room whose curves are in memory, and points of all of these curves, each of some 30 bytes. Beyond that, the job whose
 * last report is oldest is dropped: its workers have uploaded its log.
 */
const MAX_JOBS_IN_ROOM = 32;
const MAX_POINTS_IN_ROOM = 64_000;
interface JobCurves {
  runs: readonly RunCurve[];
  /** False once the job has ended. */
  running: boolean;
}

/** Stores every epoch that workers report, so that a page opened late shows a curve from its beginning. */
export class LossCurves {
  readonly #rooms = new Map<string, Map<string, JobCurves>>();
  readonly #onChange: () => void;

  constructor(options: { onChange?: () => void } = {}) {
    this.#onChange = options.onChange ?? (() => undefined);
  }

  /** Adds what a worker reports of its job, if it is about an epoch. */
  observe(roomId: string, { job_id, epoch }: Pick<WorkerProgress, 'job_id' | 'epoch'>): void {
    if (epoch === undefined) return;
    const before = this.#rooms.get(roomId)?.get(job_id)?.runs ?? [];
    const runs = withEpoch(before, epoch);
    if (runs === before || runs.length > MAX_RUNS) return;
    this.#put(roomId, job_id, { runs, running: true });
    this.#onChange();
  }

  /** Notes that a job has ended; its curves are no longer backed up. */
  ended(roomId: string, jobId: string): void {
    const known = this.#rooms.get(roomId)?.get(jobId);
    if (known?.running !== true) return;
    this.#put(roomId, jobId, { ...known, running: false });
    this.#onChange();
  }

  #put(roomId: string, jobId: string, curves: JobCurves): void {
    const jobs = this.#rooms.get(roomId) ?? new Map<string, JobCurves>();
    this.#rooms.set(roomId, jobs);
    jobs.delete(jobId);
    jobs.set(jobId, curves);
    while (jobs.size > MAX_JOBS_IN_ROOM || (jobs.size > 1 && pointsOf(jobs) > MAX_POINTS_IN_ROOM)) {
      const [oldest] = jobs.keys();
      if (oldest !== undefined) jobs.delete(oldest);
    }
  }

  /** The rooms of which curves are in memory. */
  get rooms(): string[] {
    return [...this.#rooms.keys()];
  }

  /** Frees the curves of a room in which nobody is. Those of running jobs can be read from the logs that their workers upload. */
  free(roomId: string): void {
    if (this.#rooms.delete(roomId)) this.#onChange();
  }

  /** A job's curves so far; none if the job is unknown or has not finished an epoch. */
  of(roomId: string, jobId: string): RunCurve[] {
    return [...(this.#rooms.get(roomId)?.get(jobId)?.runs ?? [])];
  }

  /** The curves of running jobs, for the backup: a finished model has its log in S3. */
  snapshot(): Record<string, Record<string, RunCurve[]>> {
    const rooms: Record<string, Record<string, RunCurve[]>> = {};
    for (const [roomId, jobs] of this.#rooms) {
      const running = [...jobs].filter(([, job]) => job.running);
      if (running.length > 0)
        rooms[roomId] = Object.fromEntries(running.map(([jobId, { runs }]) => [jobId, [...runs]]));
    }
    return rooms;
  }

  /** Restores a backup. */
  restore(rooms: Record<string, Record<string, RunCurve[]>>): void {
    for (const [roomId, jobs] of Object.entries(rooms)) {
      for (const [jobId, runs] of Object.entries(jobs)) this.#put(roomId, jobId, { runs, running: true });
    }
  }
}

function pointsOf(jobs: ReadonlyMap<string, JobCurves>): number {
  let points = 0;
  for (const { runs } of jobs.values()) for (const { epochs } of runs) points += epochs.length;
  return points;
}
