import { SleapRtcError } from '../../../protocol/errors.ts';
import type { ControlTrainingInput } from '../../contract.ts';
import { runFolders } from '../../runs/run-folders.ts';
import type { SleapNnDeps } from '../deps.ts';
import type { EarlyStops } from './early-stops.ts';

/**
 * Has a run end early with its best model, or notes that it will be cancelled only to go on later, so that it uploads its
 * last checkpoint. Returns when the run has been told, not when it has ended.
 * @param pausing folders of the runs that are about to be paused
 */
export function createControlTraining({ workDir, logger }: SleapNnDeps, stops: EarlyStops, pausing: Set<string>) {
  return async function controlTraining({ input, run_index, action }: ControlTrainingInput): Promise<void> {
    const { job_id, runs } = input.spec;
    const run = runs[run_index];
    if (run === undefined) throw new SleapRtcError('INTERNAL', `The job has no run ${run_index}.`);
    const { work } = runFolders(workDir, job_id, run.name, run_index);
    if (action === 'stop') await stops.want(work);
    else pausing.add(work);
    logger.info({ event: `${action}_wanted`, job: job_id, run: run.name });
  };
}
