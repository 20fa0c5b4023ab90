import { createRemoteJWKSet, errors, jwtVerify } from 'jose';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { UserId } from '../../protocol/ids.ts';
import type { VerifyIdToken } from './identity.ts';

const Claims = z.object({ sub: UserId, token_use: z.literal('id'), exp: z.number() });

/** Clocks of laptops and servers differ a little. */
const CLOCK_TOLERANCE_S = 10;

/** Errors of the key service, not of the token. */
const KEY_FAULTS: ReadonlySet<string> = new Set([
  errors.JOSEError.code,
  errors.JWKSInvalid.code,
  errors.JWKSTimeout.code,
  errors.JWKSMultipleMatchingKeys.code,
]);

/**
 * Verifies Cognito identity tokens offline against the pool's published keys: RS256 only, this pool as issuer, our client
 * as audience, and an id token rather than an access token.
 */
export function createIdTokenVerifier(options: { issuer: string; clientId: string }): VerifyIdToken {
  const keys = createRemoteJWKSet(new URL(`${options.issuer}/.well-known/jwks.json`));
  return async (idToken) => {
    try {
      const { payload } = await jwtVerify(idToken, keys, {
        algorithms: ['RS256'],
        issuer: options.issuer,
        audience: options.clientId,
        clockTolerance: CLOCK_TOLERANCE_S,
        requiredClaims: ['exp', 'sub'],
      });
      const { sub, exp } = Claims.parse(payload);
      return { user_id: sub, expires_at_ms: exp * 1000 };
    } catch (error) {
      if (isTokenFault(error)) {
        throw new SleapRtcError('SIGN_IN_REQUIRED', 'The identity token is missing, expired or not ours.', {
          cause: error,
        });
      }
      throw new SleapRtcError('SERVER_ERROR', 'The identity service cannot be reached.', { cause: error });
    }
  };
}

function isTokenFault(error: unknown): boolean {
  if (error instanceof z.ZodError) return true;
  return error instanceof errors.JOSEError && !KEY_FAULTS.has(error.code);
}
