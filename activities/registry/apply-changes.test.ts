import assert from 'node:assert/strict';
import { pino } from 'pino';
import { SleapRtcError } from '../../protocol/errors.ts';
import { emptyManifest, Manifest, type ManifestChange } from '../../protocol/models/manifest.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { Bucket } from '../../storage/index.ts';
import { textIn } from '../../test/support/bucket.ts';
import { modelEntry, trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { startTestS3, type TestS3 } from '../../test/workflows/s3.ts';
import { applyChanges } from './apply-changes.ts';
import { mergeChanges } from './merge-changes.ts';

const logger = pino({ level: 'silent' });
const { signal } = new AbortController();

function publication(room: string): ManifestChange & { type: 'publish_model' } {
  const input = trainingInput({ room });
  const model = modelEntry(input, trainedModel(input, 0), 'worker-1');
  return { type: 'publish_model', change_id: model.id, model };
}

describe('applyChanges, on a real S3 server', function () {
  this.timeout(60_000);
  let server: TestS3;
  before(async () => {
    server = await startTestS3();
  });
  after(async () => server?.stop());

  const read = (room: string) => textIn(server.bucket, s3Layout.manifest(room));
  const put = (room: string, body: string) => server.bucket.put(s3Layout.manifest(room), body);
  const apply = (room_id: string, changes: ManifestChange[], bucket = server.bucket) =>
    applyChanges({ bucket, logger }, { room_id, changes }, signal);

  /** The same bucket. Each write goes through `beforePut`, which may fail it. */
  const hooked = (beforePut: (send: () => Promise<string | undefined>) => Promise<string | undefined>): Bucket => {
    const bucket = new Bucket(server.bucket.s3, server.bucket.name);
    const put = bucket.put.bind(bucket);
    bucket.put = (...args) => beforePut(() => put(...args));
    return bucket;
  };

  it('writes a room’s first manifest, in the seed’s schema', async () => {
    const change = publication('first');
    const outcomes = await apply('first', [change]);
    assert.deepEqual(outcomes, [{ change_id: change.change_id, ok: true }]);
    const manifest = Manifest.parse(JSON.parse(await read('first')));
    assert.equal(manifest.version, '1.0');
    assert.equal(manifest.aliases['latest-centroid'], change.model.id);
  });

  it('never overwrites what somebody else has written meanwhile', async () => {
    const [mine, theirs] = [publication('raced'), publication('raced')];
    let raced = false;
    const outcomes = await apply(
      'raced',
      [mine],
      hooked(async (send) => {
        if (!raced) {
          raced = true;
          const { manifest } = mergeChanges(emptyManifest('raced', new Date()), [theirs], new Date());
          await put('raced', JSON.stringify(manifest));
        }
        return send();
      }),
    );
    assert.equal(outcomes[0]?.ok, true);
    const { models } = Manifest.parse(JSON.parse(await read('raced')));
    assert.deepEqual(Object.keys(models).sort(), [mine.model.id, theirs.model.id].sort());
  });

  it('loses no change of 20 independent writers', async () => {
    const changes = Array.from({ length: 20 }, () => publication('crowd'));
    const apply20 = changes.map(async (change) => {
      for (;;) {
        try {
          return await apply('crowd', [change]);
        } catch (error) {
          // The registry never has so many competitors; Temporal would try again, as this loop does.
          assert.ok(error instanceof SleapRtcError && error.code === 'SERVER_ERROR');
        }
      }
    });
    await Promise.all(apply20);
    assert.equal(Object.keys(Manifest.parse(JSON.parse(await read('crowd'))).models).length, 20);
  });

  it('recognizes its own write if the reply was lost', async () => {
    const change = publication('landed');
    let writes = 0;
    const lossy = hooked(async (send) => {
      writes += 1;
      await send();
      throw new SleapRtcError('STORAGE_UNREACHABLE', 'socket hang up');
    });
    await assert.rejects(apply('landed', [change], lossy), { code: 'STORAGE_UNREACHABLE' });
    const before = await read('landed');
    assert.deepEqual(await apply('landed', [change], lossy), [{ change_id: change.change_id, ok: true }]);
    assert.equal(writes, 1);
    assert.equal(await read('landed'), before);
  });

  for (const [what, text] of [
    ['not JSON', '{"version":"1.0","mod'],
    ['not a manifest', '{"version":"2.0"}'],
    ['another room’s', JSON.stringify(emptyManifest('elsewhere', new Date()))],
  ] as const) {
    it(`leaves a manifest as it is that is ${what}, and says so`, async () => {
      await put('damaged', text);
      const [outcome] = await apply('damaged', [publication('damaged')]);
      assert.equal(outcome?.ok, false);
      assert.match(outcome?.error?.message ?? '', /damaged.*left untouched/);
      assert.equal(await read('damaged'), text);
    });
  }

  it('preserves the fields of a newer release', async () => {
    await put('newer', JSON.stringify({ ...emptyManifest('newer', new Date()), retention: { days: 30 } }));
    await apply('newer', [publication('newer')]);
    assert.deepEqual(JSON.parse(await read('newer')).retention, { days: 30 });
  });

  it('says that storage is unavailable, so that it is tried again', async () => {
    const nowhere = server.bucketAt('http://127.0.0.1:9');
    await assert.rejects(apply('unavailable', [publication('unavailable')], nowhere), { code: 'STORAGE_UNREACHABLE' });
    nowhere.s3.destroy();
  });
});
