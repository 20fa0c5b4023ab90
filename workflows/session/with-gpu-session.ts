import { CancellationScope, CancelledFailure, defineSignal, log, setHandler } from '@temporalio/workflow';
import type { GpuSessionOpened } from '../../activities/contract.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import { Paused } from '../job/run-control.ts';
import type { Job } from '../job/run-job.ts';
import { GpuSession, WorkerLost } from './gpu-session.ts';
import { type SessionWorker, sessionWorker } from './session-worker.ts';

/** A worker's answer to `runGpuSession`. */
export const gpuSessionOpenedSignal = defineSignal<[GpuSessionOpened]>('gpuSessionOpened');

/** A job that has lost this many workers may be what kills them; evicted workers do not count. */
const MAX_LOST_WORKERS = 5;

/**
 * Runs `body` with a worker whose only slot is this job's, and frees the slot at the end, in whatever way it ends.
 *
 * A session is a heartbeating activity on a shared queue; the worker that takes it signals its own queue to the workflow. If the
 * worker dies, its heartbeat is missed within seconds: everything that `body` is doing is cancelled, and `body` runs again with
 * another worker. Put outside of `body` what must survive the loss of a worker. If `body` has a result in spite of the loss, the
 * result counts. A paused job gives its worker back, and `body` runs again when the job is resumed.
 * @throws what `body` throws; SleapRtcError WORKER_LOST after too many lost workers
 */
export async function withGpuSession<T>(
  { input, report, control }: Job,
  body: (worker: SessionWorker) => Promise<T>,
): Promise<T> {
  let session: GpuSession | undefined;
  setHandler(gpuSessionOpenedSignal, (opened) => session?.open(opened));

  let firstOfferTo = input.context.first_offer_to;
  let isFirst = true;
  let losses = 0;
  for (let lost: WorkerLost | undefined; ; ) {
    await control.resumed();
    const current = new GpuSession(input, firstOfferTo);
    session = current;
    const onOneWorker = async () => {
      const opened = await current.untilOpened();
      firstOfferTo = opened.worker; // after a pause the data is there
      report.onWorker(opened.worker, current.id);
      const first = { isFirst };
      isFirst = false;
      return current.run(() => withTasksBeside((meanwhile) => body(sessionWorker(opened, { ...first, meanwhile }))));
    };
    try {
      report.onWorker(null);
      report.enter('queued', `${waitingFor(input)}${lost === undefined ? '' : '; the worker before was lost'}`);
      return await control.untilPaused(onOneWorker);
    } catch (error) {
      if (error instanceof Paused) continue;
      if (!(error instanceof WorkerLost)) throw error;
      if (CancellationScope.current().consideredCancelled) throw new CancelledFailure('The job was cancelled.');
      lost = error;
      if (!error.isEvicted) losses += 1;
      firstOfferTo = undefined; // that may be the lost one
      log.warn('worker lost', { losses, evicted: error.isEvicted, cause: error.message });
      if (losses > MAX_LOST_WORKERS) throw tooManyLosses(losses, error);
    } finally {
      await current.end();
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

function waitingFor({ spec, context }: JobInput): string {
  const { worker } = spec.requirements;
  return worker === undefined ? `waiting for a free worker of ${context.room_id}` : `waiting for ${worker}`;
}

function tooManyLosses(losses: number, cause: Error): SleapRtcError {
  return new SleapRtcError('WORKER_LOST', `${losses} workers were lost while they had this job.`, {
    cause,
    remedy: 'Look at the workers’ logs: this job may need more memory than they have.',
  });
}
