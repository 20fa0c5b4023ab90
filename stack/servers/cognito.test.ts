import assert from 'node:assert/strict';
import {
  AdminCreateUserCommand,
  AdminSetUserPasswordCommand,
  CognitoIdentityProviderClient,
  InitiateAuthCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { withFolder } from '../testing/with-folder.ts';
import { startCognito } from './cognito.ts';

describe('startCognito', () => {
  it('signs an ephemeral user in with a token that its published keys verify', () =>
    withFolder(async (dir) => {
      const cognito = await startCognito({ dir, region: 'us-east-1' });
      try {
        const client = new CognitoIdentityProviderClient({
          endpoint: cognito.endpoint,
          region: 'us-east-1',
          credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
        });
        const user = { UserPoolId: cognito.userPoolId, Username: 'user-1' };
        await client.send(new AdminCreateUserCommand({ ...user, MessageAction: 'SUPPRESS' }));
        await client.send(new AdminSetUserPasswordCommand({ ...user, Password: 'Correct-horse-9', Permanent: true }));
        const { AuthenticationResult: result } = await client.send(
          new InitiateAuthCommand({
            ClientId: cognito.clientId,
            AuthFlow: 'USER_PASSWORD_AUTH',
            AuthParameters: { USERNAME: user.Username, PASSWORD: 'Correct-horse-9' },
          }),
        );
        client.destroy();
        assert(result?.IdToken);
        const keys = createRemoteJWKSet(new URL(`${cognito.issuer}/.well-known/jwks.json`));
        const { payload } = await jwtVerify(result.IdToken, keys, {
          issuer: cognito.issuer,
          audience: cognito.clientId,
        });
        assert.equal(payload['cognito:username'], user.Username);
      } finally {
        await cognito.stop();
      }
    }));
});
