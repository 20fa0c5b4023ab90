import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { SleapRtcError } from '../protocol/errors.ts';
import { createS3Client } from './s3-client.ts';
import { withStorageErrors } from './storage-errors.ts';

const SILENCE_MS = 400;
const TOLD = { AWS_REGION: 'us-east-1', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' };

/** Reads an object from a server that behaves so. @returns its text */
async function readFrom(behave: RequestListener): Promise<string | undefined> {
  const server = createServer(behave).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const before = { ...process.env };
  const { port } = server.address() as AddressInfo;
  Object.assign(process.env, TOLD, { AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` });
  const s3 = createS3Client({ pathStyle: true, silenceMs: SILENCE_MS });
  try {
    return await withStorageErrors(async () => {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'rooms', Key: 'manifest.json' }));
      return Body?.transformToString();
    });
  } finally {
    process.env = before;
    s3.destroy();
    server.closeAllConnections();
    server.close();
  }
}

describe('a worker’s S3 client', () => {
  it('does not wait for ever for a server that took a request and does not answer, and may ask again', async () => {
    let asked = 0;
    await assert.rejects(
      readFrom(() => {
        asked += 1;
      }),
      (error) => error instanceof SleapRtcError && error.code === 'STORAGE_UNREACHABLE' && error.retryable,
    );
    assert.ok(asked > 1, 'it asked again by itself');
  });

  it('nor for one that falls silent amid its answer', async () => {
    const half: RequestListener = (_, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('half');
    };
    await assert.rejects(readFrom(half), { code: 'STORAGE_UNREACHABLE' });
  });

  it('but for a slow one, whose answer takes longer in all', async () => {
    const slow: RequestListener = async (_, response) => {
      for (let n = 0; n < 6; n += 1) {
        response.write(String(n));
        await delay(SILENCE_MS / 4);
      }
      response.end();
    };
    assert.equal(await readFrom(slow), '012345');
  });
});
