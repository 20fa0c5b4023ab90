import type { JobStatus } from '../../../protocol/jobs/job.ts';
import { JobActionCommand } from '../../job-action-command.ts';

/** `sleap-rtc jobs stop ID` */
export default class JobsStop extends JobActionCommand {
  static override summary = 'End the running training, and publish its best model so far.';
  static override description =
    'This is “Stop early” in SLEAP: if a job trains several models, only the present training ends, and the next one begins. ' +
    'Before the end of the first epoch there is no model, so the training ends after that epoch. A job that still waits for a ' +
    'worker or for its data ends without a model.';
  protected readonly action = 'stop';

  protected sentence({ job_id, phase, detail }: JobStatus): string {
    switch (phase) {
      case 'cancelled':
        return `Job ${job_id} is cancelled: ${detail}`;
      case 'queued':
      case 'awaiting_data':
      case 'receiving':
      case 'training':
        return `Job ${job_id} stops early: ${detail}.\nFollow it with: sleap-rtc jobs attach ${job_id}`;
      default:
        return `Job ${job_id} has no running training to stop: ${detail}.`;
    }
  }
}
