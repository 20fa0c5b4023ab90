import { SleapRtcError } from '../../../protocol/errors.ts';
import type { RunInput } from '../../contract.ts';
import { runFolders } from '../../runs/run-folders.ts';
import type { SleapNnDeps } from '../deps.ts';
import type { EarlyStops } from './early-stops.ts';

/** Has a run end early with its best model; returns when it has been told, not when it has ended. */
export function createStopTraining({ workDir, logger }: SleapNnDeps, stops: EarlyStops) {
  return async function stopTraining(args: RunInput): Promise<void> {
    const { spec } = args.input;
    const run = spec.runs[args.run_index];
    if (run === undefined) throw new SleapRtcError('INTERNAL', `The job has no run ${args.run_index}.`);
    await stops.want(runFolders(workDir, spec.job_id, run.name, args.run_index).work);
    logger.info({ event: 'stop_wanted', job: spec.job_id, run: run.name });
  };
}
