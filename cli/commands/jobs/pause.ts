import type { JobStatus } from '../../../protocol/job.ts';
import { JobActionCommand } from '../../job-action-command.ts';

/** `sleap-rtc jobs pause ID` */
export default class JobsPause extends JobActionCommand {
  static override summary = 'Have a training job give its GPU to others, until `jobs resume`.';
  static override description =
    'Training ends at its last checkpoint, which is kept in the room’s storage; the job goes on from there. A job that waits for ' +
    'a worker or its data waits without taking one. One that stores or publishes its models already is left to its end.';
  protected readonly action = 'pause';

  protected sentence({ job_id, phase, detail }: JobStatus): string {
    switch (phase) {
      case 'cancelled':
        return `Job ${job_id} had ended already: ${phase}.`;
      case 'paused':
        return `Job ${job_id} is paused.\nGo on with: sleap-rtc jobs resume ${job_id}`;
      case 'queued':
      case 'receiving':
      case 'training':
        return `Job ${job_id} has been told to pause: ${detail || phase}.\nGo on with: sleap-rtc jobs resume ${job_id}`;
      default:
        return `Job ${job_id} is not paused, since nothing is being trained now: ${detail || phase}.`;
    }
  }
}
