import { EXIT, SleapRtcError } from '../../../protocol/errors.ts';
import { pause } from './http.ts';

/** Pause between polls while the server, or what is behind it, is away. */
const AWAY_PAUSE_MS = 2_000;
/** For so long a server that is away is waited for; a deployment or a reboot takes minutes. */
const AWAY_LIMIT_MS = 30 * 60_000;

/** Who is told of what is away, and for how long they wait. */
export interface RetryWhileUnavailableOptions {
  /** What is away, as a sentence; undefined when it is back. */
  onTrouble: (sentence: string | undefined) => void;
  signal: AbortSignal;
}

/** Who shows the researcher what is away. */
interface Reporter {
  trouble: (source: 'api', sentence: string | undefined) => void;
}

/** The patience of a command whose researcher sees what is away. */
export function retryOptions(progress: Reporter, signal: AbortSignal): RetryWhileUnavailableOptions {
  return { onTrouble: (sentence) => progress.trouble('api', sentence), signal };
}

/**
 * Does something that may be repeated, for as long as only infrastructure stands in the way.
 * @throws SleapRtcError the first error that waiting cannot cure, or the last one after half an hour
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
      const away = thrown instanceof SleapRtcError && thrown.exitCode === EXIT.unreachable;
      if (!away || Date.now() - since > AWAY_LIMIT_MS) throw thrown;
      onTrouble(`${thrown.message} Waiting for it to come back; nothing is lost.`);
      await pause(AWAY_PAUSE_MS, signal);
    }
  }
}
