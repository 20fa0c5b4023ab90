/** Stand-ins for the job workflows: they end, fail or wait as the job's name tells them. */
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { JobInput, JobStatus, JobStatusAnswer } from '../../protocol/jobs/job.ts';
import type { JobAction } from '../../protocol/jobs/job-action.ts';
import { searchAttributes } from '../../protocol/temporal/search-attributes.ts';

/** A job that does what its name says: `done`, `fails`, `waits`; `stops` and `pauses` wait for that action. */
export async function trainingJob({ spec, context }: JobInput): Promise<JobStatus> {
  const status: JobStatus = {
    job_id: spec.job_id,
    kind: spec.kind,
    name: spec.name,
    user_id: context.user_id,
    phase: 'training',
    detail: 'epoch 1',
    worker: 'w1',
    models: [],
    submitted_at: context.submitted_at,
    error: null,
  };
  setHandler(defineQuery<JobStatusAnswer>('jobStatus'), () => ({ ...status, session_id: 'session-1' }));
  const root = CancellationScope.current();
  let stopped = false;
  const move = (phase: JobStatus['phase'], detail: string) => {
    Object.assign(status, { phase, detail });
    upsertSearchAttributes([{ key: searchAttributes.phase, value: phase }]);
  };
  let actions = 0;
  const carryOut = ({ action }: { action: JobAction }) => {
    actions += 1;
    if (action === 'cancel') {
      move('cancelled', 'The job was cancelled.');
      root.cancel();
    }
    if (action === 'stop') stopped = true;
    if (action === 'pause') move('paused', `paused by action ${actions}`);
    if (action === 'resume') move('queued', 'queued');
  };
  const validator = ({ action }: { action: JobAction }) => {
    if (action !== 'resume' || status.phase === 'paused') return;
    throw ApplicationFailure.create({ type: 'JOB_ACTION_REFUSED', message: 'It is not paused.', nonRetryable: true });
  };
  setHandler(defineUpdate<void, [{ action: JobAction }]>('controlJob'), carryOut, { validator });
  if (spec.name === 'waits' || spec.name === 'pauses') await condition(() => false);
  if (spec.name === 'stops') {
    await condition(() => stopped);
    move('cancelled', 'Nothing was trained.');
    throw ApplicationFailure.create({ type: 'JOB_CANCELLED', message: 'Nothing was trained.', nonRetryable: true });
  }
  if (spec.name === 'fails') {
    throw ApplicationFailure.create({
      type: 'GPU_OUT_OF_MEMORY',
      message: 'The GPU ran out of memory.',
      nonRetryable: true,
      details: ['Lower the batch size.'],
    });
  }
  const model = { id: 'a3f5e8c9', model_type: 'centroid' as const, aliases: ['latest-centroid'], run: 'centroid' };
  return { ...status, phase: 'done', detail: 'published', models: [model] };
}
