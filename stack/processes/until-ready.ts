import { SleapRtcError } from '../../protocol/errors.ts';
import type { Child } from './child.ts';

/** How long a server or process of the stack may take until it is ready. Cold caches on a busy machine need most of it. */
const READY_TIMEOUT_MS = 90_000;

/**
 * Waits for `ready`, but no longer than the child lives, nor than `timeoutMs`.
 * On failure the child is stopped, and the error carries its last lines of output.
 */
export async function untilReady<T>(
  child: Child,
  ready: Promise<T>,
  options: { signal?: AbortSignal | undefined; timeoutMs?: number } = {},
): Promise<T> {
  const timeoutMs = options.timeoutMs ?? READY_TIMEOUT_MS;
  const { promise: givenUp, reject } = Promise.withResolvers<never>();
  const giveUp = (what: string, cause?: unknown): void =>
    reject(
      new SleapRtcError('INTERNAL', `${child.name} ${what}.\n${child.tail()}`.trim(), {
        cause,
        remedy: `Read its log: ${child.logFile}`,
      }),
    );
  const timer = setTimeout(() => giveUp(`was not ready after ${timeoutMs / 1000} s`), timeoutMs);
  const onAbort = (): void => giveUp('was stopped before it was ready', options.signal?.reason);
  if (options.signal?.aborted) onAbort();
  options.signal?.addEventListener('abort', onAbort, { once: true });
  void child.exited.then(({ exitCode, signal }) =>
    giveUp(`ended before it was ready (${signal ?? `exit code ${exitCode}`})`),
  );
  try {
    return await Promise.race([ready, givenUp]);
  } catch (error) {
    await child.stop();
    throw error;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', onAbort);
  }
}
