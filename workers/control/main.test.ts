import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { execa } from 'execa';
import { searchAttributes } from '../../protocol/temporal/search-attributes.ts';
import { freePort } from '../../stack/processes/ports.ts';
import { devServerWithShortHistories } from '../../test/workflows/servers.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

/** Starts the process; `event` resolves when it has logged an event of that name. */
function startMain(address: string, more: Record<string, string> = {}) {
  const env = {
    ...more,
    TEMPORAL_ADDRESS: address,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'x',
    AWS_SECRET_ACCESS_KEY: 'x',
  };
  const child = execa(process.execPath, [MAIN], { env, reject: false });
  const events = new Map<string, PromiseWithResolvers<void>>();
  const entry = (name: string) => {
    const found = events.get(name) ?? Promise.withResolvers<void>();
    events.set(name, found);
    return found;
  };
  createInterface({ input: child.stdout }).on('line', (line) => entry(String(JSON.parse(line).event)).resolve());
  const event = (name: string): Promise<void> =>
    Promise.race([
      entry(name).promise,
      child.then(({ exitCode, all, stderr }) => {
        throw new Error(`ended with ${exitCode}: ${all ?? stderr}`);
      }),
    ]);
  return { child, event };
}

describe('the control worker as a process', function () {
  this.timeout(60_000);
  let bare: TestWorkflowEnvironment;
  before(async () => {
    bare = await devServerWithShortHistories(1_000);
  });
  after(async () => bare?.teardown());

  it('registers the search attributes on a new server, and ends without error on SIGTERM', async () => {
    const { child, event } = startMain(bare.address);
    await event('ready');
    const { customAttributes } = await bare.connection.operatorService.listSearchAttributes({ namespace: 'default' });
    for (const { name } of Object.values(searchAttributes)) assert.ok(name in customAttributes, name);
    child.kill('SIGTERM');
    assert.equal((await child).exitCode, 0);
  });

  it('ends on SIGTERM even if storage does not answer its sweep', async () => {
    const silent = createServer();
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const asked = once(silent, 'request');
    try {
      const { child, event } = startMain(bare.address, { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` });
      await Promise.all([event('ready'), asked]);
      child.kill('SIGTERM');
      const ended = await Promise.race([child, sleep(20_000)]);
      if (ended === undefined) child.kill('SIGKILL');
      assert.equal(ended?.exitCode, 0);
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });

  it('waits for a server that does not run yet', async () => {
    const { child, event } = startMain(`127.0.0.1:${await freePort()}`);
    await event('temporal_unreachable');
    child.kill('SIGTERM');
    const ended = await Promise.race([child, sleep(5_000)]);
    assert.equal(ended?.exitCode, 0);
  });

  it('names the setting that is wrong', async () => {
    const ended = await execa(process.execPath, [MAIN], { env: { AWS_ENDPOINT_URL_S3: 'nowhere' }, reject: false });
    assert.notEqual(ended.exitCode, 0);
    assert.match(ended.stdout + ended.stderr, /AWS_ENDPOINT_URL_S3/);
  });
});
