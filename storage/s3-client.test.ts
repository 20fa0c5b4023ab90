import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SleapRtcError } from '../protocol/errors.ts';
import { Bucket } from './bucket.ts';
import { createS3Client } from './s3-client.ts';

const SILENCE_TIMEOUT_MS = 400;

/** Reads an object from a server that behaves so. @returns its text */
async function readFrom(behave: RequestListener): Promise<string | undefined> {
  const server = createServer(behave).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const s3 = createS3Client({
    pathStyle: true,
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
    silenceTimeoutMs: SILENCE_TIMEOUT_MS,
  });
  try {
    return await (await new Bucket(s3, 'rooms').get('manifest.json'))?.text();
  } finally {
    s3.destroy();
    server.closeAllConnections();
    server.close();
  }
}

describe('a worker’s S3 client', () => {
  it('does not wait forever for a server that takes a request and does not answer, and tries again', async () => {
    let requests = 0;
    await assert.rejects(
      readFrom(() => {
        requests += 1;
      }),
      (error) => error instanceof SleapRtcError && error.code === 'STORAGE_UNREACHABLE' && error.retryable,
    );
    assert.ok(requests > 1, 'it tried again by itself');
  });

  it('does not wait forever for a server that falls silent within its answer', async () => {
    const half: RequestListener = (_, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('half');
    };
    await assert.rejects(readFrom(half), { code: 'STORAGE_UNREACHABLE' });
  });

  it('waits for a slow server whose whole answer takes longer than the timeout', async () => {
    const slow: RequestListener = async (_, response) => {
      for (let n = 0; n < 6; n += 1) {
        response.write(String(n));
        await delay(SILENCE_TIMEOUT_MS / 4);
      }
      response.end();
    };
    assert.equal(await readFrom(slow), '012345');
  });
});
