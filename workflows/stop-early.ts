import { CancellationScope, condition, defineSignal, isCancellation, log, setHandler } from '@temporalio/workflow';
import { SleapRtcError } from '../protocol/errors.ts';
import { fromFailure } from '../protocol/failures.ts';
import type { JobPhase } from '../protocol/job.ts';
import type { JobReport } from './job-report.ts';
import type { Pauses } from './pause.ts';

/** Asks a training job to end the run under way and to keep its best model. */
export const stopJobSignal = defineSignal('stopJob');

/**
 * The researcher has been told that the run ends, so a worker that could not be told is told again: first after this, then after
 * twice as long; in milliseconds.
 */
const STOP_AGAIN_MS = 5_000;
/** But not less often than this; of a training of 14 days the history stays short all the same. */
const STOP_AGAIN_AT_MOST_MS = 60 * 60_000;

/** In these a job has no worker, or not yet its data there. */
const WAITING: ReadonlySet<JobPhase> = new Set(['queued', 'receiving', 'paused']);

/** What a job's body tells of its runs, so that a stop meets the right one. */
export interface EarlyStops {
  /**
   * Trains a run under the eyes of `stopJob`.
   * @param stop tells the worker to end the run; called at once where the run was to be stopped before its worker was lost
   */
  whileTraining<T>(run: string, train: () => Promise<T>, stop: () => Promise<void>): Promise<T>;
  /** From now on the job has a model worth going on for, whatever is stopped. */
  trained(run: string): void;
}

/**
 * Runs a job's body so that `stopJob` ends the run under way early, as “Stop early” in SLEAP does: its best model is kept,
 * and the job goes on with the runs behind it. Before anything has been trained there is nothing to keep, and the job ends.
 * Once a run is trained, a stop meets the next one only if it is sent again. It ends a pause: the model is on a worker, or will be.
 * A stop that the researcher has been told of holds: a worker that could not be told is told again, and so is the next worker.
 * @throws SleapRtcError JOB_CANCELLED where the job was stopped before anything was trained; what `body` throws
 */
export async function stoppable<T>(
  report: JobReport,
  pauses: Pauses,
  body: (stops: EarlyStops) => Promise<T>,
): Promise<T> {
  const scope = new CancellationScope({ cancellable: true });
  const toStop = new Set<string>();
  let orders = 0;
  let begun: string | undefined;
  let anyTrained = false;
  let stopsNext = false;
  let stoppedTooSoon = false;

  setHandler(stopJobSignal, () => {
    const { phase } = report.status;
    orders += 1;
    if (begun !== undefined) {
      toStop.add(begun);
      pauses.resume();
      report.enter(phase, `${begun} ends early; its best model is kept`);
    } else if (!WAITING.has(phase)) {
      return; // nothing is trained: the researcher is told so
    } else if (anyTrained) {
      stopsNext = true;
      pauses.resume();
      report.enter(phase, 'the next training ends early; its best model is kept');
    } else {
      stoppedTooSoon = true;
      scope.cancel();
    }
  });

  const stops: EarlyStops = {
    async whileTraining(run, train, stop) {
      begun = run;
      if (stopsNext) toStop.add(run);
      stopsNext = false;
      let over = false;
      const stopWhenAsked = async () => {
        await condition(() => over || toStop.has(run));
        for (let againMs = STOP_AGAIN_MS; !over; againMs = Math.min(2 * againMs, STOP_AGAIN_AT_MOST_MS)) {
          const heard = orders;
          try {
            return await stop();
          } catch (failure) {
            if (over || isCancellation(failure)) throw failure;
            log.warn('the run was not stopped; it is tried again', { cause: fromFailure(failure).message });
            report.enter(report.status.phase, `${run} could not be told yet to end early; it is tried again`);
          }
          await condition(() => over || orders > heard, againMs);
        }
      };
      const stopping = stopWhenAsked().catch((failure: unknown) => {
        // A worker that is lost meanwhile: the next one is told again.
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
