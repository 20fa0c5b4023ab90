import type { WorkflowOptions } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { totalBytes } from '../../protocol/files.ts';
import type { JobContext, JobSpec } from '../../protocol/jobs/job.ts';
import { CONTROL_QUEUE, jobWorkflowId, queuePriority } from '../../protocol/temporal/queues.ts';
import { searchAttributes } from '../../protocol/temporal/search-attributes.ts';
import { jobMemo } from './job-record.ts';

/** The workflow's registered name for each kind of job. */
export const WORKFLOW_TYPES = { training: 'trainingJob', inference: 'inferenceJob' } as const;

/**
 * The options with which a job's workflow is started: only once for each id, and with a page in the Temporal UI that reads like a
 * report.
 */
export function startOptions(spec: JobSpec, context: JobContext): WorkflowOptions {
  const modelTypes = spec.kind === 'training' ? [...new Set(spec.runs.map((run) => run.model_type))] : [];
  return {
    workflowId: jobWorkflowId(context.room_id, spec.job_id),
    taskQueue: CONTROL_QUEUE,
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    typedSearchAttributes: new TypedSearchAttributes([
      { key: searchAttributes.room, value: context.room_id },
      { key: searchAttributes.kind, value: spec.kind },
      { key: searchAttributes.user, value: context.user_id },
      { key: searchAttributes.modelType, value: modelTypes },
      { key: searchAttributes.phase, value: 'queued' },
    ]),
    memo: { ...jobMemo(spec, context) },
    priority: queuePriority(context.user_id, spec.priority),
    staticSummary: summary(spec, context),
    staticDetails: details(spec, context),
  };
}

function summary(spec: JobSpec, { room_id }: JobContext): string {
  const what = spec.kind === 'training' ? spec.runs.map((run) => run.model_type).join(' + ') : spec.models.join(' + ');
  return `${spec.kind === 'training' ? 'train' : 'infer with'} ${what} on ${spec.name} in ${room_id}`;
}

function details(spec: JobSpec, context: JobContext): string {
  const bytes = totalBytes(spec.files);
  const { min_gpu_memory_mb, tags, worker } = spec.requirements;
  const lines = [
    `- room: \`${context.room_id}\``,
    `- user: \`${context.user_id}\``,
    `- submitted: ${context.submitted_at}`,
    `- files: ${spec.files.length} (${bytes} bytes)`,
  ];
  if (spec.kind === 'training') {
    for (const run of spec.runs) lines.push(`- run \`${run.name}\`: ${run.model_type}, ${run.train_labels.join(', ')}`);
  } else {
    lines.push(`- input: \`${spec.input}\``, `- models: ${spec.models.map((id) => `\`${id}\``).join(', ')}`);
  }
  if (spec.priority !== undefined) lines.push(`- priority: ${spec.priority}`);
  if (worker !== undefined) lines.push(`- wanted worker: \`${worker}\``);
  if (min_gpu_memory_mb !== undefined) lines.push(`- GPU memory: at least ${min_gpu_memory_mb} MB`);
  if (tags !== undefined && tags.length > 0) lines.push(`- wanted tags: ${tags.join(', ')}`);
  return lines.join('\n');
}
