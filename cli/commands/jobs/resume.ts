import type { JobStatus } from '../../../protocol/job.ts';
import { JobActionCommand } from '../../job-action-command.ts';

/** `sleap-rtc jobs resume ID` */
export default class JobsResume extends JobActionCommand {
  static override summary = 'Have a paused job queue again, to go on from its last checkpoint.';
  protected readonly action = 'resume';

  protected sentence({ job_id, phase, detail, staging }: JobStatus): string {
    switch (phase) {
      case 'cancelled':
        return `Job ${job_id} had ended already: ${phase}.`;
      case 'paused':
        return `Job ${job_id} has been told to go on.`;
      case 'queued':
      case 'receiving': {
        const needed = `\nIts data is not in the room’s storage: on the computer that submitted it, run: sleap-rtc jobs attach ${job_id}`;
        return `Job ${job_id} is ${phase}: ${detail || phase}.${staging === 'staged' ? '' : needed}`;
      }
      default:
        return `Job ${job_id} is not paused: ${detail || phase}.`;
    }
  }
}
