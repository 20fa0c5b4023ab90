import { randomUUID } from 'node:crypto';
import { SleapRtcError } from '../../protocol/errors.ts';
import { isFinal, type JobContext, type JobSpec, type JobStatus } from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';
import { endedAlready } from '../../protocol/jobs/job-refusals.ts';
import type { Jobs, ReportedJob } from '../jobs/jobs.ts';

interface MemoryJob {
  roomId: string;
  spec: JobSpec | undefined;
  reported: ReportedJob;
}

/** Jobs without Temporal: a test sets their status. */
export class MemoryJobs implements Jobs {
  readonly #jobs = new Map<string, MemoryJob>();
  readonly #changed = new Set<() => void>();
  /** While true every call fails, as if Temporal were unavailable. */
  unavailable = false;
  /** How many actions are still left unanswered, as if no control worker ran. */
  unansweredActions = 0;
  /** Questions so far. */
  readonly asked = { read: 0, active: 0 };

  /** Every job, by id. */
  get all(): ReadonlyMap<string, { spec: JobSpec | undefined; status: JobStatus }> {
    return new Map([...this.#jobs].map(([id, { spec, reported }]) => [id, { spec, status: reported.status }]));
  }

  /** Sets a job's status. */
  update(jobId: string, changes: Partial<JobStatus>): void {
    const job = this.#find(jobId);
    job.reported = { ...job.reported, status: { ...job.reported.status, ...changes } };
    for (const wake of this.#changed) wake();
  }

  /** Gives a job to a worker. Returns the id of its session. */
  openSession(jobId: string, worker: string): string {
    const sessionId = randomUUID();
    this.#find(jobId).reported.sessionId = sessionId;
    this.update(jobId, { worker, phase: 'receiving', detail: `sending the data to ${worker}` });
    return sessionId;
  }

  /** Takes a job from its worker. */
  loseSession(jobId: string): void {
    this.#find(jobId).reported.sessionId = null;
    this.update(jobId, { worker: null, phase: 'queued', detail: 'waiting for a worker; the one before was lost' });
  }

  /** Adds a job that was submitted at another time. */
  add(roomId: string, status: JobStatus): void {
    const reported = { status, requirements: {}, sessionId: null, complete: true };
    this.#jobs.set(status.job_id, { roomId, spec: undefined, reported });
    for (const wake of this.#changed) wake();
  }

  /** Resolves when something has changed. */
  change(): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#changed.delete(wake);
        resolve();
      };
      this.#changed.add(wake);
    });
  }

  async start(spec: JobSpec, { room_id, user_id, submitted_at }: JobContext): Promise<ReportedJob> {
    this.#throwIfUnavailable();
    const { job_id, kind, name, stage, priority } = spec;
    const known = this.#jobs.get(job_id);
    if (known !== undefined) return { ...known.reported };
    const status: JobStatus = {
      job_id,
      kind,
      name,
      user_id,
      phase: 'queued',
      detail: 'waiting for a worker',
      worker: null,
      models: [],
      submitted_at,
      ...(priority === undefined ? {} : { priority }),
      staging: stage ? 'waiting' : 'off',
      error: null,
    };
    const reported = { status, requirements: spec.requirements, sessionId: null, complete: true };
    this.#jobs.set(job_id, { roomId: room_id, spec, reported });
    for (const wake of this.#changed) wake();
    return { ...reported };
  }

  async read(roomId: string, jobId: string): Promise<ReportedJob> {
    this.asked.read += 1;
    this.#throwIfUnavailable();
    return { ...this.#findIn(roomId, jobId).reported };
  }

  async untilEnd(
    roomId: string,
    jobId: string,
    { waitMs, signal }: { waitMs: number; signal: AbortSignal },
  ): Promise<void> {
    const over = AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
    const aborted = new Promise<void>((resolve) => over.addEventListener('abort', () => resolve(), { once: true }));
    while (!over.aborted && !isFinal(this.#findIn(roomId, jobId).reported.status.phase))
      await Promise.race([this.change(), aborted]);
  }

  async list(roomId: string): Promise<JobStatus[]> {
    this.#throwIfUnavailable();
    return this.#inRoom(roomId).map(({ status }) => status);
  }

  async active(roomId: string): Promise<ReportedJob[]> {
    this.asked.active += 1;
    this.#throwIfUnavailable();
    return this.#inRoom(roomId).filter(({ status }) => !isFinal(status.phase));
  }

  async countActive(roomId: string, userId: string): Promise<{ inRoom: number; ofUser: number }> {
    const active = await this.active(roomId);
    return { inRoom: active.length, ofUser: active.filter(({ status }) => status.user_id === userId).length };
  }

  async control(roomId: string, jobId: string, action: JobAction): Promise<ReportedJob> {
    this.#throwIfUnavailable();
    const { status } = this.#findIn(roomId, jobId).reported;
    if (this.unansweredActions > 0) {
      this.unansweredActions -= 1;
      throw new SleapRtcError('CONTROL_UNAVAILABLE', `Job ${jobId} has not accepted \`${action}\` yet.`);
    }
    if (isFinal(status.phase)) throw endedAlready(status);
    this.update(jobId, afterAction(status, action));
    return { ...this.#findIn(roomId, jobId).reported };
  }

  async runningRooms(): Promise<string[]> {
    this.#throwIfUnavailable();
    const running = [...this.#jobs.values()].filter(({ reported }) => !isFinal(reported.status.phase));
    return [...new Set(running.map(({ roomId }) => roomId))];
  }

  uiUrl(_roomId: string, jobId: string): string {
    return `http://temporal.test/${jobId}`;
  }

  #inRoom(room: string): ReportedJob[] {
    return [...this.#jobs.values()].filter(({ roomId }) => roomId === room).map(({ reported }) => ({ ...reported }));
  }

  #findIn(roomId: string, jobId: string): MemoryJob {
    const job = this.#find(jobId);
    if (job.roomId !== roomId) throw new SleapRtcError('JOB_NOT_FOUND', `The room ${roomId} has no job ${jobId}.`);
    return job;
  }

  #find(jobId: string): MemoryJob {
    const job = this.#jobs.get(jobId);
    if (job === undefined) throw new SleapRtcError('JOB_NOT_FOUND', `There is no job ${jobId}.`);
    return job;
  }

  #throwIfUnavailable(): void {
    if (this.unavailable) throw new SleapRtcError('TEMPORAL_UNREACHABLE', 'Temporal cannot be reached.');
  }
}

/** What an action changes. @throws SleapRtcError JOB_ACTION_REFUSED if the job cannot do it now */
function afterAction({ job_id, phase, detail }: JobStatus, action: JobAction): Partial<JobStatus> {
  const refuse = (sentence: string) => new SleapRtcError('JOB_ACTION_REFUSED', `Job ${job_id} ${sentence}: ${detail}.`);
  const isWaiting = ['queued', 'awaiting_data', 'receiving', 'paused'].includes(phase);
  switch (action) {
    case 'cancel':
      return { phase: 'cancelled', detail: 'The job was cancelled.' };
    case 'stop':
      if (isWaiting) return { phase: 'cancelled', detail: 'Stopped before anything was trained.' };
      if (phase !== 'training') throw refuse('has no training under way to stop');
      return { detail: 'centroid ends early' };
    case 'pause':
      if (!isWaiting && phase !== 'training') throw refuse('is not paused, since nothing is being trained now');
      return { phase: 'paused', detail: 'paused now' };
    case 'resume':
      if (phase !== 'paused') throw refuse('is not paused');
      return { phase: 'queued', detail: 'queued now' };
  }
}
