import { GracefulShutdownPeriodExpiredError, type Worker } from '@temporalio/worker';

/** Time between two checks whether a worker has failed, in milliseconds. */
const CHECK_MS = 1_000;

interface TogetherOptions {
  /** Aborted when the process has to end. */
  signal: AbortSignal;
  /** Called before the workers are shut down, for whatever reason. */
  onEnding?: () => void;
}

/**
 * Runs the Temporal workers of one process until `signal` is aborted or one of them ends by itself, then shuts all of them down.
 * A process with one missing would have a session for a job but do none of its activities, or the other way round, and would
 * look alive.
 * @returns whether everything had stopped within the grace period
 * @throws the error of the first one that failed
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
 * Runs a worker to its end. If a poll fails permanently, the SDK (1.24) does not return from `run`: it waits for polls that it no
 * longer makes. Its log says why; here only the worker's state shows it.
 * @throws Stuck; what `run` throws
 */
async function runToEnd(worker: Worker): Promise<void> {
  const stuck = Promise.withResolvers<never>();
  let checks = 0;
  const timer = setInterval(() => {
    checks = worker.getState() === 'FAILED' ? checks + 1 : 0;
    // At the first check `run` may be about to throw the reason itself.
    if (checks > 1) stuck.reject(new Stuck(`Temporal refuses to give work of ${worker.options.taskQueue}.`));
  }, CHECK_MS);
  try {
    await Promise.race([worker.run(), stuck.promise]);
  } finally {
    clearInterval(timer);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  else signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
