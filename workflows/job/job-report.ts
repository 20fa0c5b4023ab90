import { defineQuery, setCurrentDetails, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import type { SleapRtcError } from '../../protocol/errors.ts';
import {
  isFinal,
  type JobInput,
  type JobModel,
  type JobPhase,
  type JobStatus,
  type JobStatusAnswer,
  type Staging,
} from '../../protocol/jobs/job.ts';
import { describeError } from '../../protocol/temporal/failures.ts';
import { DEFAULT_PRIORITY } from '../../protocol/temporal/queues.ts';
import { searchAttributes } from '../../protocol/temporal/search-attributes.ts';

/** Asks for a job's status; Temporal answers also after the job has ended. */
export const jobStatusQuery = defineQuery<JobStatusAnswer>('jobStatus');

/** Phases that end so soon that nobody searches for them. They are not worth an event of history. */
const BRIEF: ReadonlySet<JobPhase> = new Set(['uploading', 'publishing', 'returning']);

/** A job's status, for the status query, the search attribute and the Temporal UI. */
export interface JobReport {
  readonly status: Readonly<JobStatus>;
  /** Enters a phase; `detail` says in words what the job does or waits for. Entering the same phase again costs no event. */
  enter(phase: JobPhase, detail: string): void;
  /** Names the worker that has the job and the session in which it has it, or none. */
  onWorker(worker: string | null, sessionId?: string): void;
  /** Whether the job's data is safe without the researcher; costs no event. */
  staging(staging: Staging): void;
  /** Names a model whose upload begins: if the job ends before it is published, it is removed. */
  uploading(modelId: string): void;
  /** Names a model that may be in the manifest from now on. */
  publishing(modelId: string): void;
  /** Adds a model that the job has published. */
  published(model: JobModel): void;
  /** Models whose upload has begun and that have not been published. */
  readonly unpublished: string[];
  /** Ends the job with an error. */
  failed(phase: 'failed' | 'cancelled', error: SleapRtcError): void;
}

/** Opens the report of a job that waits for a worker. */
export function openReport({ spec, context }: JobInput): JobReport {
  let status: JobStatus = {
    job_id: spec.job_id,
    kind: spec.kind,
    name: spec.name,
    user_id: context.user_id,
    phase: 'queued',
    detail: 'waiting for a worker',
    worker: null,
    models: [],
    submitted_at: context.submitted_at,
    priority: spec.priority ?? DEFAULT_PRIORITY,
    staging: spec.stage ? 'waiting' : 'off',
    error: null,
  };
  const set = (changes: Partial<JobStatus>) => {
    // The API starts the workflow with the attribute at `queued`.
    const phaseBefore = status.phase;
    status = { ...status, ...changes };
    setCurrentDetails(details(status));
    if (status.phase !== phaseBefore && !BRIEF.has(status.phase))
      upsertSearchAttributes([{ key: searchAttributes.phase, value: status.phase }]);
  };
  const unpublished = new Set<string>();
  let session_id: string | null = null;
  setHandler(jobStatusQuery, () => ({ ...status, session_id: isFinal(status.phase) ? null : session_id }));
  return {
    get status() {
      return status;
    },
    get unpublished() {
      return [...unpublished];
    },
    enter: (phase, detail) => set({ phase, detail }),
    onWorker: (worker, sessionId) => {
      session_id = sessionId ?? null;
      set({ worker });
    },
    staging: (staging) => set({ staging }),
    uploading: (modelId) => {
      // Two runs of the same config and data have one model: it stays if the second is cancelled.
      if (status.models.every(({ id }) => id !== modelId)) unpublished.add(modelId);
    },
    publishing: (modelId) => void unpublished.delete(modelId),
    published: (model) => set({ models: [...status.models, model] }),
    failed: (phase, error) => set({ phase, detail: error.message, error: describeError(error) }),
  };
}

/** Markdown for the head of the workflow's page in the Temporal UI. */
function details(status: JobStatus): string {
  const lines = [`**${status.phase}** – ${status.detail}`];
  if (status.worker !== null) lines.push(`worker: \`${status.worker}\``);
  for (const model of status.models) lines.push(`model: \`${model.id}\` (${model.aliases.join(', ')})`);
  if (status.error !== null) lines.push(`error: \`${status.error.code}\` – ${status.error.remedy}`);
  return lines.join('\n\n');
}
