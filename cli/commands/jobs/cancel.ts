import type { JobStatus } from '../../../protocol/jobs/job.ts';
import { JobActionCommand } from '../../job-action-command.ts';

/** `sleap-rtc jobs cancel ID` */
export default class JobsCancel extends JobActionCommand {
  static override summary =
    'End a job without publishing what it trains. To get its best model so far, use `jobs stop`.';
  protected readonly action = 'cancel';

  protected sentence({ job_id, phase }: JobStatus): string {
    if (phase === 'cancelled') return `Job ${job_id} is cancelled.`;
    // Then the job may end as done.
    if (phase === 'publishing' || phase === 'returning')
      return `Job ${job_id} is ending. What it is publishing, or has stored, stays in the room.`;
    return `Job ${job_id} is being cancelled.`;
  }
}
