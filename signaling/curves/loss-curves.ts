import type { RunCurve } from '../../protocol/api.ts';
import { withEpoch } from '../../protocol/curve.ts';
import { isFinal } from '../../protocol/job.ts';
import type { PeerPayload } from '../../protocol/peer-messages.ts';

/** Jobs of one room whose curves are kept in memory; the one longest without news makes way. */
const MAX_JOBS_IN_ROOM = 32;
/** Runs of one job, as many as a job may have. */
const MAX_RUNS = 16;

interface JobCurves {
  runs: readonly RunCurve[];
  /** True until the worker says that the job has ended. */
  running: boolean;
}

/** Remembers every epoch that workers tell of, so that a page opened late shows a curve from its beginning. */
export class LossCurves {
  readonly #rooms = new Map<string, Map<string, JobCurves>>();
  readonly #onChange: () => void;

  constructor(options: { onChange?: () => void } = {}) {
    this.#onChange = options.onChange ?? (() => undefined);
  }

  /** Takes note of a payload that a worker sent to its room. */
  observe(roomId: string, payload: PeerPayload): void {
    if (payload.type !== 'progress' && payload.type !== 'job_complete') return;
    const known = this.#rooms.get(roomId)?.get(payload.job_id);
    const running = payload.type === 'progress' && !isFinal(payload.phase);
    const epoch = payload.type === 'progress' ? payload.epoch : undefined;
    const before = known?.runs ?? [];
    const runs = epoch === undefined ? before : withEpoch(before, epoch);
    if (runs.length === 0 || runs.length > MAX_RUNS) return;
    if (runs === before && known?.running === running) return;
    this.#keep(roomId, payload.job_id, { runs, running });
    this.#onChange();
  }

  #keep(roomId: string, jobId: string, curves: JobCurves): void {
    const jobs = this.#rooms.get(roomId) ?? new Map<string, JobCurves>();
    this.#rooms.set(roomId, jobs);
    jobs.delete(jobId);
    jobs.set(jobId, curves);
    const [oldest] = jobs.keys();
    if (jobs.size > MAX_JOBS_IN_ROOM && oldest !== undefined) jobs.delete(oldest);
  }

  /** A job's curves so far; none where the job is unknown or has not finished an epoch. */
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

  /** Takes a backup back. */
  restore(rooms: Record<string, Record<string, RunCurve[]>>): void {
    for (const [roomId, jobs] of Object.entries(rooms)) {
      for (const [jobId, runs] of Object.entries(jobs)) this.#keep(roomId, jobId, { runs, running: true });
    }
  }
}
