import { CancellationScope, condition, defineSignal, isCancellation, log, setHandler } from '@temporalio/workflow';
import { SleapRtcError } from '../protocol/errors.ts';
import { fromFailure } from '../protocol/failures.ts';
import type { JobReport } from './job-report.ts';
import type { Pauses } from './pause.ts';

/** Asks a training job to end the run under way and to keep its best model. */
export const stopJobSignal = defineSignal('stopJob');

/** What a job's body tells of its runs, so that a stop meets the right one. */
export interface EarlyStops {
  /**
   * Trains a run under the eyes of `stopJob`.
   * @param stop tells the pod to end the run; called at once where the run was to be stopped before its pod was lost
   */
  whileTraining<T>(run: string, train: () => Promise<T>, stop: () => Promise<void>): Promise<T>;
  /** From now on the job has a model worth going on for, whatever is stopped. */
  trained(run: string): void;
}

/**
 * Runs a job's body so that `stopJob` ends the run under way early, as “Stop early” in SLEAP does: its best model is kept,
 * and the job goes on with the runs behind it. Before anything has been trained there is nothing to keep, and the job ends.
 * Once a run is trained, a stop meets the next one only if it is sent again. It ends a pause: the model is on a pod, or will be.
 * @throws SleapRtcError JOB_CANCELLED where the job was stopped before anything was trained; what `body` throws
 */
export async function stoppable<T>(
  report: JobReport,
  pauses: Pauses,
  body: (stops: EarlyStops) => Promise<T>,
): Promise<T> {
  const scope = new CancellationScope({ cancellable: true });
  const toStop = new Set<string>();
  let begun: string | undefined;
  let anyTrained = false;
  let stoppedTooSoon = false;

  setHandler(stopJobSignal, () => {
    const { phase } = report.status;
    if (begun !== undefined) {
      toStop.add(begun);
      pauses.resume();
      report.enter(phase, `${begun} ends early; its best model is kept`);
    } else if (!anyTrained && (phase === 'queued' || phase === 'receiving' || phase === 'paused')) {
      stoppedTooSoon = true;
      scope.cancel();
    }
  });

  const stops: EarlyStops = {
    async whileTraining(run, train, stop) {
      begun = run;
      let over = false;
      const stopping = condition(() => over || toStop.has(run))
        .then(() => (over ? undefined : stop()))
        .catch((failure: unknown) => {
          // A pod that is lost meanwhile: the next one is told again.
          if (!isCancellation(failure)) log.warn('the run was not stopped', { cause: fromFailure(failure).message });
        });
      try {
        return await train();
      } finally {
        over = true;
        await stopping;
      }
    },
    trained() {
      begun = undefined;
      anyTrained = true;
    },
  };

  try {
    return await scope.run(() => body(stops));
  } catch (error) {
    if (!stoppedTooSoon || CancellationScope.current().consideredCancelled) throw error;
    throw new SleapRtcError('JOB_CANCELLED', 'Stopped before anything was trained: there is no model to keep.');
  }
}
