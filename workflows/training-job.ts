import { CancellationScope, CancelledFailure } from '@temporalio/workflow';
import type { SleapRtcError } from '../protocol/errors.ts';
import type { JobInput, JobModel, JobStatus, TrainingRun, TrainingSpec } from '../protocol/jobs/job.ts';
import type { ManifestChange, ModelEntry } from '../protocol/models/manifest.ts';
import { receiveDataset } from './dataset.ts';
import { deliver } from './deliver.ts';
import { type Job, runJob } from './job/run-job.ts';
import { publishToRoom } from './registry/publish.ts';
import type { SessionWorker } from './session/session-worker.ts';
import { withGpuSession } from './session/with-gpu-session.ts';

/**
 * A training job: on one worker, each run of the job is trained, and its model is uploaded and published as soon as it exists.
 * If a later run fails, or the job is cancelled, the models before it stay in the room. At the end the researcher gets all
 * models, if they are online, and the room is informed.
 *
 * Once the last model is being published, the job can no longer be cancelled: it is done.
 * @throws ApplicationFailure with a code of ours as its type; CancelledFailure
 */
export function trainingJob(input: JobInput<TrainingSpec>): Promise<JobStatus> {
  return runJob(input, trainAllRuns);
}

async function trainAllRuns(job: Job<TrainingSpec>): Promise<string> {
  const { input, control, report } = job;
  // Not in the session: a published model outlives the worker that made it, and is not trained again.
  const published = new Set<TrainingRun>();

  return withGpuSession(job, async (worker) => {
    await receiveDataset(job, worker);
    for (const [run_index, run] of input.spec.runs.entries()) {
      if (published.has(run)) continue;
      report.enter('training', `training ${run.name}${ofMany(run_index, input)}`);
      const may_have_remote_checkpoint = !worker.isFirst;
      const trained = await control.during(run, worker, () =>
        worker.train({ input, run_index, may_have_remote_checkpoint }),
      );
      report.enter('uploading', `uploading model ${trained.model_id}`);
      report.uploading(trained.model_id);
      await publishModel(job, run, await worker.uploadModel({ input, trained }));
      published.add(run);
    }
    report.enter('returning', 'bringing the models to the researcher');
    return bringBack(job, worker);
  });
}

/** Publishes a model. Not cancellable: a request that has been sent cannot be taken back. @throws CancelledFailure before that */
async function publishModel(
  { input, report, control }: Job<TrainingSpec>,
  run: TrainingRun,
  model: ModelEntry,
): Promise<void> {
  if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('The job was cancelled.');
  report.enter('publishing', `publishing model ${model.id} in the room`);
  report.publishing(model.id);
  const { spec, context } = input;
  const change: ManifestChange = { type: 'publish_model', change_id: `${spec.job_id}:${model.id}`, model };
  const onWaiting = ({ message }: SleapRtcError) =>
    report.enter('publishing', `waiting to publish model ${model.id}, which is safe in the room’s storage: ${message}`);
  // Only the researcher ends the wait: it goes on if the worker is lost.
  const isGivenUp = () => control.isCancelled;
  await CancellationScope.nonCancellable(() => publishToRoom(context.room_id, [change], { onWaiting, isGivenUp }));
  report.published(jobModel(run.name, model));
}

/** Informs the room and returns the models to the researcher. They are published: nothing that goes wrong here fails the job. */
async function bringBack({ input, report }: Job<TrainingSpec>, worker: SessionWorker): Promise<string> {
  const { models } = report.status;
  const ids = models.map(({ id }) => id);
  const isDelivered = await deliver(input, worker, ids);
  const names = models
    .map(({ id, aliases, stopped_early }) => `${id} (${aliases[0]}${stopped_early ? ', stopped early' : ''})`)
    .join(', ');
  const fetch = `fetch with \`sleap-rtc jobs get ${input.spec.job_id}\``;
  return `published ${names}${isDelivered ? ' and brought back' : `; ${fetch}`}`;
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
