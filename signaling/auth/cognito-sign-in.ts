import { randomBytes, randomUUID } from 'node:crypto';
import {
  AdminCreateUserCommand,
  AdminSetUserPasswordCommand,
  type CognitoIdentityProviderClient,
  InitiateAuthCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { decodeJwt } from 'jose';
import { SleapRtcError } from '../../protocol/errors.ts';
import { UserId } from '../../protocol/ids.ts';
import type { SignInService } from './identity.ts';

/**
 * Signs in by creating a Cognito user. Nobody can sign in as this user again, because its password is not stored.
 * The app client must allow `USER_PASSWORD_AUTH`.
 */
export function createCognitoSignIn(
  cognito: CognitoIdentityProviderClient,
  options: { userPoolId: string; clientId: string },
): SignInService {
  return {
    async signIn() {
      try {
        const idToken = await newUsersToken(cognito, options);
        const claims = decodeJwt(idToken);
        return {
          user_id: UserId.parse(claims.sub),
          id_token: idToken,
          expires_at: new Date((claims.exp ?? 0) * 1000).toISOString(),
        };
      } catch (error) {
        throw new SleapRtcError('SERVER_ERROR', 'The identity service cannot be reached.', { cause: error });
      }
    },
  };
}

async function newUsersToken(
  cognito: CognitoIdentityProviderClient,
  { userPoolId, clientId }: { userPoolId: string; clientId: string },
): Promise<string> {
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
  const idToken = reply.AuthenticationResult?.IdToken;
  if (idToken === undefined)
    throw new Error(`Cognito asked for ${reply.ChallengeName ?? 'more'} instead of signing in`);
  return idToken;
}
