import pRetry from 'p-retry';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { SignInReply } from '../../../protocol/wire/api.ts';

/** A token is renewed this long before it expires, in milliseconds, so that one in use never has just expired. */
const RENEW_BEFORE_MS = 60_000;
const SIGN_IN_TIMEOUT_MS = 10_000;

/**
 * Signs the worker in as an ephemeral user and keeps its identity token fresh.
 * @returns a function that resolves to a valid token; it throws SERVER_UNREACHABLE if the server stays unavailable
 */
export function workerIdentity(serverUrl: string, signal: AbortSignal): () => Promise<string> {
  let current: SignInReply | undefined;
  return async () => {
    if (current === undefined || Date.parse(current.expires_at) - Date.now() < RENEW_BEFORE_MS) {
      current = await pRetry(() => signIn(serverUrl, signal), { retries: 5, minTimeout: 500, signal });
    }
    return current.id_token;
  };
}

async function signIn(serverUrl: string, signal: AbortSignal): Promise<SignInReply> {
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(SIGN_IN_TIMEOUT_MS)]);
  try {
    const response = await fetch(`${serverUrl}/anonymous-signin`, { method: 'POST', signal: timeout });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return SignInReply.parse(await response.json());
  } catch (cause) {
    throw new SleapRtcError('SERVER_UNREACHABLE', `Signing in at ${serverUrl} failed.`, { cause });
  }
}
