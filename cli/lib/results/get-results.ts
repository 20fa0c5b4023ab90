import { SleapRtcError } from '../../../protocol/errors.ts';
import { isFinal } from '../../../protocol/jobs/job.ts';
import type { RoomApi } from '../api/api-client.ts';
import type { Display } from '../output/display.ts';
import { JobProgress } from '../output/job-progress.ts';
import { type JobOutcome, jobOutcome } from './job-outcome.ts';
import { removePartial, takeOverLeftovers } from './partial-folder.ts';
import { checkOutputFolder } from './place-folder.ts';

/**
 * Downloads a job's results from the room's storage. Every member of the room may do so, any number of times.
 * @param wanted folder for the results; undefined means the default of the job's kind
 * @throws SleapRtcError USAGE if the job has not ended; the job's own error if it failed
 */
export async function getResults(
  api: RoomApi,
  jobId: string,
  wanted: string | undefined,
  display: Display,
): Promise<JobOutcome> {
  const started = Date.now();
  const status = await api.job(jobId);
  const temporalUiUrl = status.temporal_ui_url;
  if (!isFinal(status.phase)) {
    throw new SleapRtcError('USAGE', `Job ${jobId} has not ended yet (${status.phase}).`, {
      remedy: `Follow it until it ends with \`sleap-rtc jobs attach ${jobId}\`.`,
    });
  }
  const output = wanted ?? (status.kind === 'training' ? 'models' : 'predictions');
  await checkOutputFolder(output);
  await takeOverLeftovers(output, jobId);
  const progress = new JobProgress(display);
  const signal = new AbortController().signal;
  try {
    const followed = { status, left: false, received: false };
    return await jobOutcome(followed, { api, output, progress, temporalUiUrl, started, signal });
  } finally {
    await removePartial(output, jobId);
  }
}
