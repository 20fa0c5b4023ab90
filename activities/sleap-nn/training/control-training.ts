import type { ControlTrainingInput } from '../../contract.ts';
import type { SleapNnDeps } from '../deps.ts';
import type { EarlyStops } from './early-stops.ts';
import { runOf } from './run.ts';

/**
 * Ends a run early with its best model, or records that it will be cancelled only to resume later, so that it uploads its last
 * checkpoint. Returns as soon as the run knows, not when it has ended.
 * @param pausing work folders of the runs that are about to be paused
 */
export function createControlTraining({ workDir, logger }: SleapNnDeps, stops: EarlyStops, pausing: Set<string>) {
  return async function controlTraining(args: ControlTrainingInput): Promise<void> {
    const { spec, folders } = runOf(args, workDir);
    if (args.action === 'stop') await stops.want(folders.work);
    else pausing.add(folders.work);
    logger.info({ event: `${args.action}_wanted`, job: args.input.spec.job_id, run: spec.name });
  };
}
