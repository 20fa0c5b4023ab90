import { EXIT, SleapRtcError } from '../../../protocol/errors.ts';
import { pause } from './http.ts';

/** Pause between attempts while the server, Temporal or S3 is unavailable, in ms. */
const PAUSE_MS = 2_000;
/** Longest wait for an unavailable server, in ms. A deployment or a reboot takes minutes. */
const TIMEOUT_MS = 30 * 60_000;

/** How to wait for an unavailable service. */
export interface RetryWhileUnavailableOptions {
  /** Called with a sentence that names the unavailable service, and with undefined when it is available again. */
  onTrouble: (sentence: string | undefined) => void;
  signal: AbortSignal;
}

/** Shows the researcher which service is unavailable. */
interface Reporter {
  trouble: (source: 'api', sentence: string | undefined) => void;
}

/** The options of a command that shows the researcher which service is unavailable. */
export function retryOptions(progress: Reporter, signal: AbortSignal): RetryWhileUnavailableOptions {
  return { onTrouble: (sentence) => progress.trouble('api', sentence), signal };
}

/**
 * Repeats an action while it fails because infrastructure is unavailable.
 * @throws SleapRtcError any other error at once, or the last one after half an hour
 */
export async function retryWhileUnavailable<T>(
  action: () => Promise<T>,
  { onTrouble, signal }: RetryWhileUnavailableOptions,
): Promise<T> {
  let since: number | undefined;
  for (;;) {
    try {
      const result = await action();
      onTrouble(undefined);
      return result;
    } catch (thrown) {
      signal.throwIfAborted();
      since ??= Date.now();
      const isUnavailable = thrown instanceof SleapRtcError && thrown.exitCode === EXIT.unreachable;
      if (!isUnavailable || Date.now() - since > TIMEOUT_MS) throw thrown;
      onTrouble(`${thrown.message} Waiting until it is available again; nothing is lost.`);
      await pause(PAUSE_MS, signal);
    }
  }
}
