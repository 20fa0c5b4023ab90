import type { SignInReply } from '../../protocol/wire/api.ts';

/** The caller, as proven by the identity token. */
export interface User {
  user_id: string;
  /** When the identity ends, in ms since 1970; undefined if it does not. */
  expires_at_ms?: number;
}

/** Gives people and workers identities. @throws SleapRtcError SERVER_ERROR if the identity service is unavailable */
export interface SignInService {
  /** Creates an anonymous user. */
  signIn(): Promise<SignInReply>;
  /** A new token of the same user. @throws SleapRtcError SIGN_IN_REQUIRED if the refresh token is expired, revoked or not ours */
  refresh(refreshToken: string): Promise<SignInReply>;
}

/**
 * Verifies an identity token.
 * @throws SleapRtcError SIGN_IN_REQUIRED if the token is missing, forged, expired or for another client; SERVER_ERROR if the
 *   service's keys cannot be fetched
 */
export type VerifyIdToken = (idToken: string) => Promise<User>;
