/** Stand-ins for the job workflows: they end, fail or wait as the job's name tells them. */
import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { JobInput, JobStatus } from '../../protocol/job.ts';
import { searchAttributes } from '../../protocol/search-attributes.ts';

/** A job whose name is `done`, `fails`, `waits` or, until it is told to, `stops` or `pauses`. */
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
  setHandler(defineQuery<JobStatus>('jobStatus'), () => status);
  if (spec.name === 'waits') await condition(() => false);
  if (spec.name === 'stops') {
    let stopped = false;
    setHandler(defineSignal('stopJob'), () => {
      stopped = true;
    });
    await condition(() => stopped);
    upsertSearchAttributes([{ key: searchAttributes.phase, value: 'cancelled' }]);
    throw ApplicationFailure.create({ type: 'JOB_CANCELLED', message: 'Nothing was trained.', nonRetryable: true });
  }
  if (spec.name === 'pauses') {
    const move = (phase: JobStatus['phase']) => {
      status.phase = phase;
      upsertSearchAttributes([{ key: searchAttributes.phase, value: phase }]);
    };
    setHandler(defineSignal('pauseJob'), () => move('paused'));
    setHandler(defineSignal('resumeJob'), () => move('queued'));
    await condition(() => false);
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
