import type { JobStatus } from '../../../protocol/job.ts';
import { JobActionCommand } from '../../job-action-command.ts';

/** `sleap-rtc jobs stop ID` */
export default class JobsStop extends JobActionCommand {
  static override summary = 'End the training that is under way, and keep and publish its best model so far.';
  static override description =
    'As “Stop early” in SLEAP: of a job that trains several models the present one ends, and the next one begins. ' +
    'Before the first epoch is done there is no model to keep: training ends when there is one. A job that still waits ' +
    'for a worker or for its data ends without a model.';
  protected readonly action = 'stop';

  protected sentence({ job_id, phase, detail }: JobStatus): string {
    switch (phase) {
      case 'cancelled':
        return `Job ${job_id} is cancelled: ${detail}`;
      case 'queued':
      case 'receiving':
      case 'training':
        return `Job ${job_id} stops early: ${detail}.\nFollow it with: sleap-rtc jobs attach ${job_id}`;
      default:
        return `Job ${job_id} has no training under way to stop: ${detail}.`;
    }
  }
}
