import type { JobStatus } from '../../../protocol/jobs/job.ts';
import { JobActionCommand } from '../../job-action-command.ts';

/** `sleap-rtc jobs resume ID` */
export default class JobsResume extends JobActionCommand {
  static override summary = 'Queue a paused job again. It continues from its last checkpoint.';
  protected readonly action = 'resume';

  protected sentence({ job_id, phase, detail, staging }: JobStatus): string {
    switch (phase) {
      case 'cancelled':
        return `Job ${job_id} has already ended (${phase}).`;
      case 'paused':
        return `Job ${job_id} will continue.`;
      case 'queued':
      case 'awaiting_data':
      case 'receiving': {
        const needed = `\nIts data is not in the room’s storage. On the computer that submitted it, run: sleap-rtc jobs attach ${job_id}`;
        return `Job ${job_id} is ${phase}: ${detail || phase}.${staging === 'staged' ? '' : needed}`;
      }
      default:
        return `Job ${job_id} is not paused: ${detail || phase}.`;
    }
  }
}
