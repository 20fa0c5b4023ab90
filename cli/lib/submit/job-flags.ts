import { Errors, Flags } from '@oclif/core';
import type { JobRequirements } from '../../../protocol/jobs/job.ts';
import type { RunOptions } from './run-job.ts';

const group = { helpGroup: 'WORKER' };

/** Flags that select the workers that a job may run on. */
export const requirementFlags = {
  worker: Flags.string({ ...group, helpValue: 'NAME', description: 'run on this worker only' }),
  'min-gpu-memory': Flags.integer({
    ...group,
    helpValue: 'MB',
    min: 0,
    description: 'run only on a worker with at least this much GPU memory',
  }),
  'worker-tag': Flags.string({
    ...group,
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'TAG',
    description: 'run only on a worker with this tag; several tags: with all of them',
  }),
};

/** The requirements that the flags state. */
export function requirementsOf(flags: {
  worker?: string | undefined;
  'min-gpu-memory'?: number | undefined;
  'worker-tag'?: string[] | undefined;
}): JobRequirements {
  return {
    ...(flags.worker === undefined ? {} : { worker: flags.worker }),
    ...(flags['min-gpu-memory'] === undefined ? {} : { min_gpu_memory_mb: flags['min-gpu-memory'] }),
    ...(flags['worker-tag'] === undefined ? {} : { tags: flags['worker-tag'] }),
  };
}

/** `--wait MINUTES`, which may be a fraction. */
const waitFlag = Flags.custom<number>({
  ...group,
  helpValue: 'MINUTES',
  description: 'cancel the job if no worker takes it within this time [default: no limit]',
  parse: (text) => {
    const minutes = Number(text);
    if (text.trim() !== '' && Number.isFinite(minutes) && minutes >= 0 && minutes <= 100_000)
      return Promise.resolve(minutes);
    return Promise.reject(new Errors.CLIError(`--wait needs a number of minutes, not “${text}”.`));
  },
})();

/** `--on-interrupt`; see `end-interrupted.ts`. */
export const onInterruptFlag = Flags.custom<'ask' | 'detach' | 'cancel'>({
  options: ['ask', 'detach', 'cancel'],
  description:
    'what Ctrl-C does to the job [default: ask on a terminal; else cancel until the worker has the data, then detach]',
})();

/** Flags for how a job is run; see `RunOptions`. */
export const runFlags = {
  wait: waitFlag,
  detach: Flags.boolean({ description: 'end this command as soon as the job can continue without this computer' }),
  stage: Flags.boolean({
    default: true,
    allowNo: true,
    description:
      'copy the data to the room’s storage while the job runs, so that another worker can continue the job; with --no-stage the data stays on the worker, and if that worker is lost, the job waits for this computer',
  }),
  priority: Flags.integer({
    ...group,
    helpValue: '1-5',
    min: 1,
    max: 5,
    description: 'priority among the jobs that wait for the same workers, from 1 (first) to 5 (last) [default: 3]',
  }),
  'on-interrupt': onInterruptFlag,
};

/** The `RunOptions` that the flags state. */
export function runOptionsOf(
  flags: {
    output: string;
    wait?: number | undefined;
    detach: boolean;
    'on-interrupt'?: RunOptions['onInterrupt'];
  },
  configFolder: string,
): RunOptions {
  const { output, wait, detach, 'on-interrupt': onInterrupt } = flags;
  return { output, waitMs: wait === undefined ? undefined : wait * 60_000, detach, onInterrupt, configFolder };
}
