import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import {
  CognitoIdentityProviderClient,
  CreateUserPoolClientCommand,
  CreateUserPoolCommand,
} from '@aws-sdk/client-cognito-identity-provider';
import { freePort } from '../processes/ports.ts';
import { type ServerOptions, startServer } from './start-server.ts';

/** The address of a Cognito stand-in, and the pool for the researchers' ephemeral accounts. */
export interface CognitoServer extends AsyncDisposable {
  endpoint: string;
  userPoolId: string;
  clientId: string;
  /** The `iss` of its tokens; `ISSUER/.well-known/jwks.json` holds the keys. */
  issuer: string;
  pid: number;
  stop(): Promise<void>;
}

/** Starts cognito-local and creates a pool and an app client. Its signing key is public: use it on one machine only. */
export async function startCognito(options: ServerOptions & { region: string }): Promise<CognitoServer> {
  const dataDir = join(options.dir, 'cognito');
  await mkdir(join(dataDir, '.cognito'), { recursive: true });
  const program = createRequire(import.meta.url).resolve('cognito-local/lib/bin/start.js');
  const { child, health: endpoint } = await startServer('cognito', options, async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const config = { TokenConfig: { IssuerDomain: url }, UserPoolDefaults: { UsernameAttributes: [] } };
    await writeFile(join(dataDir, '.cognito', 'config.json'), JSON.stringify(config));
    return {
      command: process.execPath,
      args: [program],
      env: { HOST: '127.0.0.1', PORT: String(port), NO_COLOR: '1' },
      cwd: dataDir, // it stores `.cognito` in the working directory
      listening: /Cognito Local running on/,
      healthy: async (signal) => ((await fetch(`${url}/health`, { signal })).ok ? url : undefined),
    };
  });
  const stop = (): Promise<void> => child.stop();
  try {
    const ids = await createPool(endpoint, options.region);
    const issuer = `${endpoint}/${ids.userPoolId}`;
    return { endpoint, ...ids, issuer, pid: child.pid, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function createPool(endpoint: string, region: string): Promise<{ userPoolId: string; clientId: string }> {
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }; // not checked
  const client = new CognitoIdentityProviderClient({ endpoint, region, credentials });
  try {
    const pool = await client.send(new CreateUserPoolCommand({ PoolName: 'sleap-rtc' }));
    const userPoolId = pool.UserPool?.Id;
    const created = await client.send(
      new CreateUserPoolClientCommand({
        UserPoolId: userPoolId,
        ClientName: 'sleap-rtc',
        ExplicitAuthFlows: ['ALLOW_USER_PASSWORD_AUTH', 'ALLOW_ADMIN_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'],
      }),
    );
    const clientId = created.UserPoolClient?.ClientId;
    if (userPoolId === undefined || clientId === undefined) throw new Error('Cognito returned no pool or client id');
    return { userPoolId, clientId };
  } finally {
    client.destroy();
  }
}
