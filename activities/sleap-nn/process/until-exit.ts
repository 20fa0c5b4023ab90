import type { SleapNnExit } from './launcher-process.ts';
import type { RunningSleapNn } from './warm-trainer.ts';

/** sleap-nn ends within 2 s of SIGTERM; what has not by then is killed. */
const TERMINATE_GRACE_MS = 8_000;

/** Waits for sleap-nn's end; an abort ends it, and its end is waited for all the same. */
export async function untilExit(sleapNn: RunningSleapNn, signal: AbortSignal): Promise<SleapNnExit> {
  const onAbort = () => void sleapNn.terminate(TERMINATE_GRACE_MS);
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await sleapNn.exited;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
