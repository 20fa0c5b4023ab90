/**
 * Waits for `promise`, but only until `signal` aborts or `timeoutMs` have passed.
 * @throws the signal's reason, or the error that `onTimeout` makes
 */
export async function within<Value>(
  promise: Promise<Value>,
  limits: { signal?: AbortSignal | undefined; timeoutMs?: number; onTimeout?: () => Error },
): Promise<Value> {
  const { signal, timeoutMs, onTimeout } = limits;
  // If nobody waits any more, a failure must not count as unhandled.
  promise.catch(() => undefined);
  signal?.throwIfAborted();
  if (signal === undefined && timeoutMs === undefined) return promise;
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  const limit = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (timeoutMs !== undefined) {
      timer = setTimeout(() => reject(onTimeout?.() ?? new Error(`not done within ${timeoutMs} ms`)), timeoutMs);
    }
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
    if (onAbort !== undefined) signal?.removeEventListener('abort', onAbort);
  }
}
