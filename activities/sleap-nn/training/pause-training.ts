import { SleapRtcError } from '../../../protocol/errors.ts';
import type { RunInput } from '../../contract.ts';
import { runFolders } from '../../runs/run-folders.ts';
import type { SleapNnDeps } from '../deps.ts';

/** Notes that a run is to be cancelled only to go on later, so that it keeps its last checkpoint. @param pausing where it is noted */
export function createPauseTraining({ workDir, logger }: SleapNnDeps, pausing: Set<string>) {
  return async function pauseTraining(args: RunInput): Promise<void> {
    const { spec } = args.input;
    const run = spec.runs[args.run_index];
    if (run === undefined) throw new SleapRtcError('INTERNAL', `The job has no run ${args.run_index}.`);
    pausing.add(runFolders(workDir, spec.job_id, run.name, args.run_index).work);
    logger.info({ event: 'pause_wanted', job: spec.job_id, run: run.name });
  };
}
