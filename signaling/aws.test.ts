import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { Bucket } from '../storage/index.ts';
import { createAwsClients } from './aws.ts';

/** Two tries of 5 s and their back-off, with some room. */
const SOON_MS = 13_000;

describe('the server’s AWS clients', function () {
  this.timeout(30_000);
  this.slow(SOON_MS);

  it('time out within seconds if a service takes requests and does not answer', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const before = { ...process.env };
    const { port } = silent.address() as AddressInfo;
    const settings = {
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      AWS_ACCESS_KEY_ID: 'x',
      AWS_SECRET_ACCESS_KEY: 'x',
    };
    Object.assign(process.env, settings);
    const { s3, dynamo, destroy } = createAwsClients({ region: 'us-east-1', s3PathStyle: true });
    try {
      const calls = [new Bucket(s3, 'rooms').check(), dynamo.send(new ListTablesCommand())];
      const begunMs = performance.now();
      for (const { status } of await Promise.allSettled(calls)) assert.equal(status, 'rejected');
      assert.ok(performance.now() - begunMs < SOON_MS);
    } finally {
      process.env = before;
      destroy();
      silent.closeAllConnections();
      silent.close();
    }
  });
});
