import assert from 'node:assert/strict';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { pino } from 'pino';
import { emptyManifest } from '../../../protocol/manifest.ts';
import { s3Layout } from '../../../protocol/s3-layout.ts';
import { startTestS3, type TestS3 } from '../../../test/workflows/s3.ts';
import { ManifestWatch } from './manifest-copy.ts';

const signal = new AbortController().signal;

describe('a worker’s copy of the manifest', function () {
  this.timeout(60_000);
  let storage: TestS3;

  before(async () => {
    storage = await startTestS3();
  });
  after(() => storage?.stop());

  const put = (room: string, Body: string) =>
    storage.s3.send(new PutObjectCommand({ Bucket: storage.bucket, Key: s3Layout.manifest(room), Body }));
  const watch = (room: string, refreshMs?: number) =>
    new ManifestWatch({
      s3: storage.s3,
      bucket: storage.bucket,
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
