import { Errors, Flags } from '@oclif/core';
import type { JobRequirements } from '../../../protocol/job.ts';
import type { RunOptions } from './run-job.ts';

const group = { helpGroup: 'WORKER' };

/** Which worker a job may run on. */
export const requirementFlags = {
  worker: Flags.string({ ...group, helpValue: 'NAME', description: 'only on this worker' }),
  'min-gpu-memory': Flags.integer({ ...group, helpValue: 'MB', min: 0, description: 'only with so much GPU memory' }),
  'worker-tag': Flags.string({
    ...group,
    multiple: true,
    multipleNonGreedy: true,
    helpValue: 'TAG',
    description: 'only on workers with this tag',
  }),
};

/** What the flags ask of a worker. */
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

/** `--wait MINUTES`; fractions are welcome. */
const waitFlag = Flags.custom<number>({
  ...group,
  helpValue: 'MINUTES',
  description: 'wait so long for a worker at most, then cancel the job; without it, as long as it takes',
  parse: (text) => {
    const minutes = Number(text);
    if (text.trim() !== '' && Number.isFinite(minutes) && minutes >= 0 && minutes <= 100_000)
      return Promise.resolve(minutes);
    return Promise.reject(new Errors.CLIError(`--wait takes a number of minutes, not “${text}”.`));
  },
})();

/** `--on-interrupt`; see `end-interrupted.ts`. */
export const onInterruptFlag = Flags.custom<'ask' | 'detach' | 'cancel'>({
  options: ['ask', 'detach', 'cancel'],
  description:
    'what Ctrl-C does with the job [default: ask on a terminal; else cancel before the data is across, detach after]',
})();

/** How a job is run; see `RunOptions`. */
export const runFlags = {
  wait: waitFlag,
  detach: Flags.boolean({ description: 'leave once the job can do without this computer; it goes on' }),
  stage: Flags.boolean({
    default: true,
    allowNo: true,
    description:
      'copy the data to the room’s storage while the job runs, so that it can go on elsewhere; with --no-stage it stays on the worker, and the job waits for this computer if that is lost',
  }),
  priority: Flags.integer({
    ...group,
    helpValue: '1-5',
    min: 1,
    max: 5,
    description: 'place among the jobs that wait for the same workers: 1 goes first, 5 last [default: 3]',
  }),
  'on-interrupt': onInterruptFlag,
};

/** What the flags say of how to run a job. */
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
