import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ErrorCode, SleapRtcError } from '../protocol/errors.ts';
import { Bucket } from './bucket.ts';
import { fetchFile } from './fetch-file.ts';
import { createS3Client } from './s3-client.ts';
import type { DeniedCode } from './storage-errors.ts';

/** Uses a bucket of a server that behaves so. */
async function withBucket<T>(behave: RequestListener, use: (bucket: Bucket) => Promise<T>, denied?: DeniedCode) {
  const server = createServer(behave).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const s3 = createS3Client({
    pathStyle: true,
    region: 'us-east-1',
    endpoint: `http://127.0.0.1:${port}`,
    credentials: { accessKeyId: 'x', secretAccessKey: 'x' },
  });
  try {
    return await use(new Bucket(s3, 'rooms', denied === undefined ? {} : { denied }));
  } finally {
    s3.destroy();
    server.closeAllConnections();
    server.close();
  }
}

function answering(status: number, name: string): RequestListener {
  return (request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(`<?xml version="1.0"?><Error><Code>${name}</Code><Message>no</Message></Error>`);
  };
}

async function codeOf(behave: RequestListener, denied?: DeniedCode): Promise<[ErrorCode, boolean]> {
  const error = await withBucket(behave, (bucket) => bucket.put('x', 'y'), denied).catch((error: unknown) => error);
  assert.ok(error instanceof SleapRtcError, String(error));
  return [error.code, error.retryable];
}

describe('an answer of S3', function () {
  this.timeout(60_000);

  it('that refuses for good ends with a clear error: nobody waits for what will not change', async () => {
    assert.deepEqual(await codeOf(answering(403, 'AccessDenied')), ['NOT_ALLOWED', false]);
    assert.deepEqual(await codeOf(answering(403, 'InvalidAccessKeyId')), ['NOT_ALLOWED', false]);
    assert.deepEqual(await codeOf(answering(404, 'NoSuchBucket')), ['STORAGE_REFUSED', false]);
    assert.deepEqual(await codeOf(answering(400, 'EntityTooLarge')), ['STORAGE_REFUSED', false]);
    assert.deepEqual(await codeOf(answering(405, 'MethodNotAllowed')), ['STORAGE_REFUSED', false]);
  });

  it('that may be another one later is waited for', async () => {
    for (const [status, name] of [
      [408, 'RequestTimeout'],
      [400, 'RequestTimeout'],
      [400, 'ExpiredToken'],
      [429, 'TooManyRequests'],
      [503, 'SlowDown'],
      [500, 'InternalError'],
      [507, 'InsufficientStorage'],
    ] as const) {
      assert.deepEqual(await codeOf(answering(status, name)), ['STORAGE_UNREACHABLE', true], name);
    }
  });

  it('is waited for by a server, whose admin can correct its credentials', async () => {
    const denied = 'STORAGE_UNREACHABLE';
    assert.deepEqual(await codeOf(answering(403, 'AccessDenied'), denied), ['STORAGE_UNREACHABLE', true]);
    assert.deepEqual(await codeOf(answering(404, 'NoSuchBucket'), denied), ['STORAGE_UNREACHABLE', true]);
  });

  it('that is the page of a proxy does not count as S3’s', async () => {
    const page: RequestListener = (request, response) => {
      request.resume();
      response.writeHead(502, { 'content-type': 'text/html' });
      response.end('<html><body>Bad gateway<br></body>');
    };
    assert.deepEqual(await codeOf(page), ['STORAGE_UNREACHABLE', true]);
  });
});

describe('a download that goes on where it broke off', () => {
  it('begins again if S3 has less than is here: it is not stuck forever', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sleap-rtc-fetch-'));
    const to = join(folder, 'file');
    await writeFile(to, 'eleven byte');
    try {
      const entry = { path: 'labels.slp', size_bytes: 20, sha256: 'a'.repeat(64) };
      const fetching = withBucket(answering(416, 'InvalidRange'), (bucket) =>
        fetchFile(bucket, { key: 'x', to, entry }),
      );
      await assert.rejects(fetching, { code: 'INTEGRITY', message: /labels\.slp/ });
      assert.equal(await readFile(to, 'utf8'), '');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
