import type { JobStatus } from '../../../protocol/jobs/job.ts';
import { JobActionCommand } from '../../job-action-command.ts';

/** `sleap-rtc jobs pause ID` */
export default class JobsPause extends JobActionCommand {
  static override summary = 'Let a training job give its GPU to others until `jobs resume`.';
  static override description =
    'Training stops at its last checkpoint, which is copied to the room’s storage. `jobs resume` continues from there on any ' +
    'worker. A job that waits for a worker or for its data takes no worker while it is paused. A job that already uploads or ' +
    'publishes its models cannot be paused.';
  protected readonly action = 'pause';

  protected sentence({ job_id, phase, detail }: JobStatus): string {
    switch (phase) {
      case 'cancelled':
        return `Job ${job_id} has already ended (${phase}).`;
      case 'paused':
        return `Job ${job_id} is paused.\nResume it with: sleap-rtc jobs resume ${job_id}`;
      case 'queued':
      case 'awaiting_data':
      case 'receiving':
      case 'training':
        return `Job ${job_id} will pause: ${detail || phase}.\nResume it with: sleap-rtc jobs resume ${job_id}`;
      default:
        return `Job ${job_id} is not paused, since it is not training now: ${detail || phase}.`;
    }
  }
}
