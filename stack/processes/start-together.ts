/** Something that was started and can be stopped; undefined if it was not needed. */
type Startable = { stop(): Promise<void> } | undefined;

/**
 * Starts several things at once. If one of them fails, the others are stopped before its error is thrown.
 * @param starts by name; each gets a signal that also aborts when another one fails
 */
export async function startTogether<T extends Record<string, Startable>>(
  signal: AbortSignal,
  starts: { [K in keyof T]: (signal: AbortSignal) => Promise<T[K]> },
): Promise<T> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const names = Object.keys(starts) as (keyof T)[];
  let firstError: unknown;
  const results = await Promise.allSettled(
    names.map(async (name) => {
      try {
        return [name, await starts[name](either)] as const;
      } catch (error) {
        if (!failure.signal.aborted) firstError = error;
        failure.abort(error);
        throw error;
      }
    }),
  );
  const started = results.filter((result) => result.status === 'fulfilled').map((result) => result.value);
  if (!failure.signal.aborted) {
    const all: Partial<T> = {};
    for (const [name, thing] of started) all[name] = thing;
    return all as T;
  }
  await Promise.all(started.map(([, thing]) => thing?.stop()));
  throw firstError;
}
