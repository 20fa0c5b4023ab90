import type { SignInReply } from '../../protocol/api.ts';

/** Who is calling, as their identity token proves it. */
export interface User {
  user_id: string;
}

/**
 * Gives out throw-away identities.
 * Rejects with SleapRtcError SERVER_ERROR where the identity service is away.
 */
export interface SignIn {
  signIn(): Promise<SignInReply>;
}

/**
 * Proves an identity token.
 * Rejects with SleapRtcError SIGN_IN_REQUIRED for a token that is missing, forged, expired or for someone else;
 * SERVER_ERROR where its keys cannot be had.
 */
export type VerifyIdToken = (idToken: string) => Promise<User>;
