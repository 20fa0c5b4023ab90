import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { emptyManifest } from '../../../protocol/models/manifest.ts';
import { s3Layout } from '../../../protocol/stored/s3-layout.ts';
import { modelEntry, trainedModel, trainingInput } from '../../../test/workflows/job-inputs.ts';
import { startTestS3, type TestS3 } from '../../../test/workflows/s3.ts';
import { ManifestCopy } from './manifest-copy.ts';

const signal = new AbortController().signal;

describe('a worker’s copy of the manifest', function () {
  this.timeout(60_000);
  let storage: TestS3;

  before(async () => {
    storage = await startTestS3();
  });
  after(() => storage?.stop());

  const put = (room: string, body: string) => storage.bucket.put(s3Layout.manifest(room), body);
  const copyOf = (room: string, refreshMs?: number) =>
    new ManifestCopy({
      bucket: storage.bucket,
      room,
      logger: pino({ level: 'silent' }),
      ...(refreshMs ? { refreshMs } : {}),
    });

  it('is read at the start, and again after each period', async () => {
    const room = 'lab-mice';
    await put(room, JSON.stringify(emptyManifest(room, new Date(0))));
    const copy = copyOf(room, 20);
    try {
      await copy.start(signal);
      assert.equal(copy.manifest?.updated_at, new Date(0).toISOString());
      await put(room, JSON.stringify(emptyManifest(room, new Date(1))));
      while (copy.manifest?.updated_at !== new Date(1).toISOString()) await sleep(5);
    } finally {
      copy.close();
    }
  });

  it('stays as it was if the new one can’t be read, and a room without a manifest is no error', async () => {
    const room = 'lab-flies';
    const copy = copyOf(room);
    try {
      await copy.start(signal);
      assert.deepEqual([copy.manifest], [undefined]);
      await put(room, JSON.stringify(emptyManifest(room, new Date(0))));
      await copy.refresh(signal);
      await put(room, '{ "version": ');
      await copy.refresh(signal);
      assert.equal(copy.manifest?.room_id, room);
    } finally {
      copy.close();
    }
  });

  it('finds models by id and alias, also those that were published after its last read', async () => {
    const room = 'lab-fish';
    const copy = copyOf(room);
    try {
      await copy.start(signal);
      assert.equal(await copy.find('a3f5e8c9', signal), undefined);
      const input = trainingInput({ room });
      const model = { ...modelEntry(input, trainedModel(input, 0), 'gpu-1'), id: 'a3f5e8c9' };
      const manifest = {
        ...emptyManifest(room, new Date(0)),
        models: { a3f5e8c9: model },
        aliases: { fish: 'a3f5e8c9' },
      };
      await put(room, JSON.stringify(manifest));
      assert.equal((await copy.find('fish', signal))?.id, 'a3f5e8c9');
      await put(room, '{ "version": ');
      assert.equal((await copy.find('a3f5e8c9', signal))?.id, 'a3f5e8c9', 'what it knows needs no read');
      // A model is missing only if the manifest says so.
      await assert.rejects(copy.find('00000000', signal), { code: 'MANIFEST_DAMAGED' });
    } finally {
      copy.close();
    }
  });
});
