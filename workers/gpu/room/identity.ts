import pRetry from 'p-retry';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { ErrorReply, SignInReply } from '../../../protocol/wire/api.ts';
import type { Identity } from '../../../transport/index.ts';

/** A token is renewed this long before it expires, in milliseconds, so that one in use never has just expired. */
const RENEW_BEFORE_MS = 60_000;
const SIGN_IN_TIMEOUT_MS = 10_000;

/**
 * Signs the worker in as an anonymous user, which it remains: the token is renewed before it expires, and if the server refuses it.
 * Another user is made only if the server does not know this one any more. `idToken` throws SERVER_UNREACHABLE if the server stays
 * unavailable.
 */
export function workerIdentity(serverUrl: string, signal: AbortSignal): Identity {
  let current: SignInReply | undefined;
  let isRefused = false;
  const renew = async () =>
    (current && (await ask(`${serverUrl}/refresh-signin`, signal, { refresh_token: current.refresh_token }))) ??
    (await ask(`${serverUrl}/anonymous-signin`, signal, {}));
  return {
    async idToken() {
      const isFresh = current !== undefined && Date.parse(current.expires_at) - Date.now() >= RENEW_BEFORE_MS;
      if (isFresh && !isRefused && current !== undefined) return current.id_token;
      const renewed = await pRetry(renew, { retries: 5, minTimeout: 500, signal });
      if (renewed === undefined) throw new SleapRtcError('SERVER_ERROR', `${serverUrl} refuses to sign anyone in.`);
      current = renewed;
      isRefused = false;
      return current.id_token;
    },
    refused() {
      isRefused = true;
    },
  };
}

/** @returns undefined if the server does not know the user */
async function ask(url: string, signal: AbortSignal, body: object): Promise<SignInReply | undefined> {
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(SIGN_IN_TIMEOUT_MS)]);
  const headers = { 'content-type': 'application/json' };
  try {
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal: timeout });
    const reply: unknown = await response.json();
    if (ErrorReply.safeParse(reply).data?.error.code === 'SIGN_IN_REQUIRED') return undefined;
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return SignInReply.parse(reply);
  } catch (cause) {
    throw new SleapRtcError('SERVER_UNREACHABLE', `Signing in at ${new URL(url).origin} failed.`, { cause });
  }
}
