import { CancellationScope, CancelledFailure, defineSignal, setHandler } from '@temporalio/workflow';
import type { GpuSessionOpened } from '../../activities/contract.ts';
import { fromFailure } from '../../protocol/temporal/failures.ts';
import { hasFinishedWork } from '../job/finished-work.ts';
import { Paused } from '../job/run-control.ts';
import type { Job } from '../job/run-job.ts';
import { GpuSession, WorkerLost } from './gpu-session.ts';
import { isDataMissing, SessionHistory } from './session-history.ts';
import { type SessionWorker, sessionWorker } from './session-worker.ts';

/** A worker's answer to `runGpuSession`. */
export const gpuSessionOpenedSignal = defineSignal<[GpuSessionOpened]>('gpuSessionOpened');

/**
 * Runs `body` with a worker whose only slot is this job's, and frees the slot at the end, in whatever way it ends.
 *
 * A session is a heartbeating activity on a shared queue; the worker that takes it signals its own queue to the workflow. If the
 * worker dies, its heartbeat is missed within seconds: everything that `body` is doing is cancelled, and `body` runs again with
 * another worker. So it does if the worker has trouble that is not the job's, such as a full disk. Put outside of `body` what must
 * survive the loss of a worker. If `body` has a result in spite of the loss, the result counts. A paused job gives its worker back,
 * and `body` runs again when the job is resumed. So does a job whose data does not come: it holds no GPU while it waits for the
 * researcher's computer.
 * @throws what `body` throws; SleapRtcError WORKER_LOST after too many lost workers, or a trouble that two workers had
 */
export async function withGpuSession<T>(
  { input, report, control }: Job,
  body: (worker: SessionWorker) => Promise<T>,
): Promise<T> {
  let session: GpuSession | undefined;
  setHandler(gpuSessionOpenedSignal, (opened) => session?.open(opened));

  const state = new SessionHistory(input);
  for (;;) {
    await control.resumed();
    const current = new GpuSession(input, state.offer);
    session = current;
    const onOneWorker = async () => {
      const opened = await current.untilOpened();
      report.onWorker(opened.worker, current.id);
      const first = { isFirst: state.opened(opened.worker) };
      return current.run(() => withTasksBeside((meanwhile) => body(sessionWorker(opened, { ...first, meanwhile }))));
    };
    let keepFiles = false;
    try {
      report.onWorker(null);
      report.enter(...state.waiting);
      return await control.untilPaused(onOneWorker);
    } catch (error) {
      if (error instanceof Paused) continue;
      if (control.isCancelled)
        throw error instanceof WorkerLost ? new CancelledFailure('The job was cancelled.') : error;
      keepFiles = hasFinishedWork(report.status.phase, fromFailure(error)) || isDataMissing(error);
      state.failed(error);
    } finally {
      await current.end(keepFiles);
    }
  }
}

/** Runs `body`, which can start tasks beside it; at its end they are cancelled and waited for. @throws what `body` throws */
async function withTasksBeside<T>(body: (start: SessionWorker['meanwhile']) => Promise<T>): Promise<T> {
  const scope = new CancellationScope({ cancellable: true });
  const tasks: Promise<void>[] = [];
  try {
    return await body((work) => void tasks.push(scope.run(work)));
  } finally {
    scope.cancel();
    await Promise.all(tasks);
  }
}
