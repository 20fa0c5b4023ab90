import { GracefulShutdownPeriodExpiredError, type Worker } from '@temporalio/worker';

/** How often it is looked whether a worker has failed, in milliseconds. */
const LOOK_MS = 1_000;

interface TogetherOptions {
  /** Aborted when the process is to end. */
  signal: AbortSignal;
  /** Called before the workers are shut down, whatever the reason. */
  onEnding?: () => void;
}

/**
 * Runs the Temporal workers of one process until `signal` is aborted or one of them ends by itself, then shuts all of them down:
 * a worker that lacks one would hold the GPU of a job whose work it does not take, or the other way round, and look alive.
 * @returns whether everything had stopped within the grace
 * @throws what the first one failed with
 */
export async function runTogether(
  workers: readonly Worker[],
  { signal, onEnding = () => {} }: TogetherOptions,
): Promise<boolean> {
  let ending = false;
  let inTime = true;
  let failure: { error: unknown } | undefined;
  const runs = workers.map(async (worker) => {
    try {
      await runToEnd(worker);
    } catch (error) {
      if (error instanceof GracefulShutdownPeriodExpiredError || (ending && error instanceof Stuck)) inTime = false;
      else failure ??= { error };
    }
  });
  await Promise.race([...runs, aborted(signal)]);
  ending = true;
  onEnding();
  for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  await Promise.all(runs);
  if (failure !== undefined) throw failure.error;
  return inTime;
}

class Stuck extends Error {}

/**
 * Runs a worker to its end. Where a poll fails for good, the SDK (1.24) does not return from `run`: it waits for polls that it
 * does not make any more. Its log says why; here only the state tells.
 * @throws Stuck; what `run` throws
 */
async function runToEnd(worker: Worker): Promise<void> {
  const stuck = Promise.withResolvers<never>();
  let looks = 0;
  const look = setInterval(() => {
    looks = worker.getState() === 'FAILED' ? looks + 1 : 0;
    // At the first look `run` may be about to say itself what went wrong.
    if (looks > 1) stuck.reject(new Stuck(`Temporal refuses to give work of ${worker.options.taskQueue}.`));
  }, LOOK_MS);
  try {
    await Promise.race([worker.run(), stuck.promise]);
  } finally {
    clearInterval(look);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
