import { CancellationScope, CancelledFailure } from '@temporalio/workflow';
import type { JobInput, JobModel, JobStatus, TrainingSpec } from '../protocol/job.ts';
import type { ManifestChange, ModelEntry } from '../protocol/manifest.ts';
import { deliver } from './deliver.ts';
import { withGpuSession } from './gpu-session.ts';
import type { JobReport } from './job-report.ts';
import { publishToRoom } from './publish.ts';
import { type Job, runJob } from './run-job.ts';
import type { SessionWorker } from './session-worker.ts';
import { receivingDetail, stagingBeside } from './staging.ts';
import { uploadingLogs } from './uploading-logs.ts';

/**
 * A training job: on one worker, every run of the job is trained and its model uploaded, while the data is staged for the worker
 * that may have to go on; then all models are published at once, so a job that fails or is cancelled before has published nothing.
 * Afterwards, if they are still there, the researcher gets the models and the room is told.
 *
 * From publishing on the job can't be cancelled: it is done.
 * @throws ApplicationFailure with a code of ours as its type; CancelledFailure
 */
export async function trainingJob(input: JobInput<TrainingSpec>): Promise<JobStatus> {
  return runJob(input, (job) => {
    // Kept outside of the session: a model in S3 outlives the worker that made it, and is not trained again.
    const uploaded = new Map<string, ModelEntry>();
    let again = false;

    return withGpuSession(job, async (worker) => {
      job.report.enter('receiving', receivingDetail(job.report, worker, again));
      await worker.receiveDataset({ input });
      const on = { worker, uploaded, again };
      again = true;
      return stagingBeside(input, job.report, worker, () => trainAndPublish(job, on));
    });
  });
}

interface OnWorker {
  worker: SessionWorker;
  uploaded: Map<string, ModelEntry>;
  /** True where the job had a worker before this one. */
  again: boolean;
}

async function trainAndPublish(
  { input, report, control }: Job<TrainingSpec>,
  { worker, uploaded, again }: OnWorker,
): Promise<string> {
  for (const [run_index, run] of input.spec.runs.entries()) {
    if (uploaded.has(run.name)) continue;
    report.enter('training', `training ${run.name}${ofMany(run_index, input)}`);
    const trained = await uploadingLogs(input, worker, () =>
      control.during(run, worker, () => worker.train({ input, run_index, may_have_remote_checkpoint: again })),
    );
    report.enter('uploading', `uploading model ${trained.model_id}`);
    report.uploading(trained.model_id);
    uploaded.set(run.name, await worker.uploadModel({ input, trained }));
  }

  if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('The job was cancelled.');
  report.enter('publishing', 'publishing in the room');
  report.publishing();
  await publishModels(input, uploaded);
  report.published([...uploaded].map(([run, entry]) => jobModel(run, entry)));

  report.enter('returning', 'bringing the models to the researcher');
  return bringBack(input, report, worker);
}

/** Publishes all models in one request. Not cancellable: a request that is under way cannot be taken back. */
async function publishModels({ spec, context }: JobInput, models: Map<string, ModelEntry>): Promise<void> {
  const changes = [...models.values()].map(
    (model): ManifestChange => ({ type: 'publish_model', change_id: `${spec.job_id}:${model.id}`, model }),
  );
  await CancellationScope.nonCancellable(() => publishToRoom(context.room_id, changes));
}

/** Tells the room and brings the models back. The models are published: nothing that goes wrong here fails the job. */
async function bringBack(input: JobInput, report: JobReport, worker: SessionWorker): Promise<string> {
  const { models } = report.status;
  const delivered = await deliver(
    input,
    worker,
    models.map(({ id }) => id),
  );
  const names = models
    .map(({ id, aliases, stopped_early }) => `${id} (${aliases[0]}${stopped_early ? ', stopped early' : ''})`)
    .join(', ');
  return delivered ? `published ${names} and brought back` : `published ${names}; to be had from the room`;
}

/** The aliases that a publication gives: the researcher's own, and the one of the type's newest model. */
function jobModel(run: string, { id, alias, model_type, training }: ModelEntry): JobModel {
  const latest = `latest-${model_type}`;
  const aliases = alias === null ? [latest] : [alias, latest];
  return { id, model_type, aliases, run, ...(training.stopped_early ? { stopped_early: true } : {}) };
}

function ofMany(index: number, { spec }: JobInput<TrainingSpec>): string {
  return spec.runs.length === 1 ? '' : ` (${index + 1} of ${spec.runs.length})`;
}
