import { randomBytes, randomUUID } from 'node:crypto';
import {
  AdminCreateUserCommand,
  AdminSetUserPasswordCommand,
  type AuthenticationResultType,
  type CognitoIdentityProviderClient,
  InitiateAuthCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { decodeJwt } from 'jose';
import { SleapRtcError } from '../../protocol/errors.ts';
import { UserId } from '../../protocol/ids.ts';
import type { SignInReply } from '../../protocol/wire/api.ts';
import type { SignInService } from './identity.ts';

/**
 * Signs in by creating a Cognito user. Its password is not stored: whoever has the refresh token remains this user. The app client
 * must allow `USER_PASSWORD_AUTH` and `REFRESH_TOKEN_AUTH`.
 */
export function createCognitoSignIn(
  cognito: CognitoIdentityProviderClient,
  options: { userPoolId: string; clientId: string },
): SignInService {
  return {
    async signIn() {
      try {
        return identityOf(await newUsersTokens(cognito, options));
      } catch (error) {
        throw unreachable(error);
      }
    },
    async refresh(refreshToken) {
      try {
        const tokens = await refreshedTokens(cognito, options, refreshToken);
        // Cognito returns a new refresh token only if it rotates them.
        return identityOf({ ...tokens, RefreshToken: tokens.RefreshToken ?? refreshToken });
      } catch (error) {
        if (!isRefused(error)) throw unreachable(error);
        throw new SleapRtcError('SIGN_IN_REQUIRED', 'The identity has expired or is not known.', { cause: error });
      }
    },
  };
}

function identityOf({ IdToken, RefreshToken }: AuthenticationResultType): SignInReply {
  if (IdToken === undefined || RefreshToken === undefined) throw new Error('Cognito returned no tokens');
  const claims = decodeJwt(IdToken);
  return {
    user_id: UserId.parse(claims.sub),
    id_token: IdToken,
    expires_at: new Date((claims.exp ?? 0) * 1000).toISOString(),
    refresh_token: RefreshToken,
  };
}

async function newUsersTokens(
  cognito: CognitoIdentityProviderClient,
  { userPoolId, clientId }: { userPoolId: string; clientId: string },
): Promise<AuthenticationResultType> {
  const user = { UserPoolId: userPoolId, Username: `anon-${randomUUID()}` };
  // Meets every password policy of Cognito: upper case, lower case, digit, symbol.
  const password = `Aa1!${randomBytes(24).toString('base64url')}`;
  await cognito.send(new AdminCreateUserCommand({ ...user, MessageAction: 'SUPPRESS' }));
  await cognito.send(new AdminSetUserPasswordCommand({ ...user, Password: password, Permanent: true }));
  const reply = await cognito.send(
    new InitiateAuthCommand({
      AuthFlow: 'USER_PASSWORD_AUTH',
      ClientId: clientId,
      AuthParameters: { USERNAME: user.Username, PASSWORD: password },
    }),
  );
  if (reply.AuthenticationResult === undefined)
    throw new Error(`Cognito asked for ${reply.ChallengeName ?? 'more'} instead of signing in`);
  return reply.AuthenticationResult;
}

async function refreshedTokens(
  cognito: CognitoIdentityProviderClient,
  { clientId }: { clientId: string },
  refreshToken: string,
): Promise<AuthenticationResultType> {
  const reply = await cognito.send(
    new InitiateAuthCommand({
      AuthFlow: 'REFRESH_TOKEN_AUTH',
      ClientId: clientId,
      AuthParameters: { REFRESH_TOKEN: refreshToken },
    }),
  );
  return reply.AuthenticationResult ?? {};
}

/** What Cognito says of a refresh token that is expired, revoked or another pool's, or whose user was deleted. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && /^(NotAuthorized|UserNotFound|InvalidParameter)/.test(error.name);
}

function unreachable(cause: unknown): SleapRtcError {
  return new SleapRtcError('SERVER_ERROR', 'The identity service cannot be reached.', { cause });
}
