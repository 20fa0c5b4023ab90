/**
 * Does something with each item, at most `limit` at a time. The first failure prevents new ones from starting, aborts those that
 * run, and is thrown when they have ended.
 */
export async function inParallel<T>(
  items: readonly T[],
  options: { limit: number; signal?: AbortSignal | undefined },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
  const left = [...items];
  let failure: { error: unknown } | undefined;
  const lane = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) {
      if (signal.aborted) return;
      try {
        await work(item, signal);
      } catch (error) {
        failure ??= { error };
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.limit, items.length) }, lane));
  if (failure !== undefined) throw failure.error;
  options.signal?.throwIfAborted();
}
