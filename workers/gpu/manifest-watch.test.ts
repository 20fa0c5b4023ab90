import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { pino } from 'pino';
import { emptyManifest } from '../../protocol/manifest.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { type S3Server, startS3 } from '../../stack/servers/s3.ts';
import { ensureTools } from '../../stack/setup.ts';
import { ManifestWatch } from './manifest-watch.ts';

const Bucket = 'rooms';
const signal = new AbortController().signal;

describe('a worker’s copy of the manifest', function () {
  this.timeout(60_000);
  let dir: string;
  let server: S3Server;
  let s3: S3Client;

  before(async () => {
    const { weed } = await ensureTools({ parts: ['servers'] });
    dir = await mkdtemp(join(tmpdir(), 'manifest-watch-'));
    server = await startS3({ dir, weed, buckets: [Bucket] });
    const { endpoint, region, accessKeyId, secretAccessKey } = server;
    s3 = new S3Client({ endpoint, region, credentials: { accessKeyId, secretAccessKey }, forcePathStyle: true });
  });
  after(async () => {
    s3?.destroy();
    await server?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const put = (room: string, Body: string) =>
    s3.send(new PutObjectCommand({ Bucket, Key: s3Layout.manifest(room), Body }));
  const watch = (room: string, refreshMs?: number) =>
    new ManifestWatch({
      s3,
      bucket: Bucket,
      room,
      logger: pino({ level: 'silent' }),
      ...(refreshMs ? { refreshMs } : {}),
    });

  it('is read at the start, and again after each period', async () => {
    const room = 'lab-mice';
    await put(room, JSON.stringify(emptyManifest(room, new Date(0))));
    const watched = watch(room, 20);
    try {
      await watched.start(signal);
      assert.equal(watched.manifest?.updated_at, new Date(0).toISOString());
      await put(room, JSON.stringify(emptyManifest(room, new Date(1))));
      while (watched.manifest?.updated_at !== new Date(1).toISOString()) await watched.refreshed();
    } finally {
      watched[Symbol.dispose]();
    }
  });

  it('stays as it was where the new one can’t be read, and a room without any is no error', async () => {
    const room = 'lab-flies';
    const watched = watch(room);
    try {
      await watched.start(signal);
      assert.deepEqual([watched.manifest], [undefined]);
      await put(room, JSON.stringify(emptyManifest(room, new Date(0))));
      await watched.refresh(signal);
      await put(room, '{ "version": ');
      await watched.refresh(signal);
      assert.equal(watched.manifest?.room_id, room);
    } finally {
      watched[Symbol.dispose]();
    }
  });
});
