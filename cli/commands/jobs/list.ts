import { BaseCommand } from '../../base-command.ts';
import { table } from '../../lib/output/table.ts';
import { when } from '../../lib/output/words.ts';

/** `sleap-rtc jobs list` */
export default class JobsList extends BaseCommand<typeof JobsList> {
  static override summary = "List the room's jobs, newest first.";

  async run(): Promise<object> {
    const api = await this.roomApi();
    const { jobs } = await api.jobs();
    if (jobs.length === 0) this.log(`The room ${api.connection.room} has no jobs yet.`);
    else {
      const rows = jobs.map((job) => [
        job.job_id,
        job.kind,
        job.name,
        job.error === null ? job.phase : `${job.phase} (${job.error.code})`,
        job.worker,
        when(job.submitted_at),
        job.user_id,
      ]);
      this.log(table(['JOB', 'KIND', 'NAME', 'PHASE', 'WORKER', 'SUBMITTED', 'BY'], rows));
    }
    return { room_id: api.connection.room, jobs };
  }
}
