import { Args } from '@oclif/core';
import { SleapRtcError } from '../protocol/errors.ts';
import type { JobStatus } from '../protocol/jobs/job.ts';
import type { JobAction } from '../protocol/jobs/job-action.ts';
import { BaseCommand } from './base-command.ts';
import { controlJob } from './lib/api/control-job.ts';
import { oneLine } from './lib/output/terminal.ts';

/** A command that requests an action of a job, and says whether the job accepts it. */
export abstract class JobActionCommand extends BaseCommand<typeof JobActionCommand> {
  static override args = { job: Args.string({ required: true, description: "the job's id" }) };

  protected abstract readonly action: JobAction;

  /** The sentence about a job that has accepted the action. */
  protected abstract sentence(status: JobStatus): string;

  async run(): Promise<object> {
    const { action, args } = this;
    const api = await this.roomApi();
    const interrupted = new AbortController();
    const interrupt = () => interrupted.abort(notAccepted(args.job, action));
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
    for (const name of signals) process.once(name, interrupt);
    try {
      let isReported = false;
      const onUnavailable = ({ message }: SleapRtcError) => {
        if (!isReported)
          process.stderr.write(`${oneLine(message)} The request is repeated until it is answered; Ctrl-C ends this.\n`);
        isReported = true;
      };
      const status = await controlJob(api, args.job, action, { onUnavailable, signal: interrupted.signal });
      const { job_id, phase } = status;
      const said = { ...status, detail: oneLine(status.detail) };
      this.log(phase === 'done' || phase === 'failed' ? `Job ${job_id} has ended: ${phase}.` : this.sentence(said));
      return { job: status };
    } finally {
      for (const name of signals) process.off(name, interrupt);
    }
  }
}

function notAccepted(jobId: string, action: JobAction): SleapRtcError {
  return new SleapRtcError('INTERRUPTED', `Interrupted: job ${jobId} has not accepted \`${action}\`.`, {
    remedy: `The job may still accept it when a control worker runs again. See how it stands with \`sleap-rtc jobs show ${jobId}\`.`,
  });
}
