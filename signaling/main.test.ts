import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { EXIT } from '../protocol/errors.ts';
import { startTestServers, type TestServers } from './testing/test-servers.ts';

const command = ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('main.ts', import.meta.url))];

describe('the signaling process', () => {
  let servers: TestServers;
  before(async function () {
    this.timeout(60_000);
    servers = await startTestServers(['dynamodb']);
  });
  after(async () => servers?.[Symbol.asyncDispose]());

  it('logs its address, and ends by itself on SIGTERM', async () => {
    const env = {
      SLEAP_RTC_PORT: '0',
      SLEAP_RTC_COGNITO_USER_POOL_ID: 'pool',
      SLEAP_RTC_COGNITO_CLIENT_ID: 'client',
      SLEAP_RTC_COGNITO_ISSUER: 'http://127.0.0.1:1/pool',
      AWS_ENDPOINT_URL_DYNAMODB: servers.dynamodbEndpoint ?? '',
      AWS_ACCESS_KEY_ID: 'any',
      AWS_SECRET_ACCESS_KEY: 'any',
      TEMPORAL_ADDRESS: '127.0.0.1:1',
    };
    const child = execa(process.execPath, command, { env, reject: false });
    for await (const line of child) {
      const { event, url } = JSON.parse(line);
      if (event !== 'ready') continue;
      assert.equal((await fetch(`${url}/health`)).status, 200);
      child.kill('SIGTERM');
    }
    const { exitCode, signal } = await child;
    assert.deepEqual([exitCode, signal], [0, undefined]);
  });

  it('ends at once, naming the setting, if its configuration is wrong', async () => {
    const { exitCode, stdout } = await execa(process.execPath, command, {
      env: { SLEAP_RTC_PORT: 'eighty' },
      reject: false,
    });
    assert.equal(exitCode, EXIT.badInput);
    assert.match(stdout, /SLEAP_RTC_PORT/);
  });
});
