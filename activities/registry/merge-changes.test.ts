import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  emptyManifest,
  latestAlias,
  Manifest,
  type ManifestChange,
  type ModelEntry,
} from '../../protocol/models/manifest.ts';
import { mergeChanges } from './merge-changes.ts';

const NOW = new Date('2025-11-11T12:00:00Z');

function entry(fields: Partial<ModelEntry> = {}): ModelEntry {
  return {
    id: 'a3f5e8c9',
    alias: null,
    model_type: 'centroid',
    trained_at: '2025-11-11T10:00:00Z',
    trained_by: 'user-123',
    trained_on_worker: 'worker-gpu-01',
    s3_path: 's3://sleap-rtc-rooms/lab-mice/models/a3f5e8c9/',
    checkpoint_path: 's3://sleap-rtc-rooms/lab-mice/models/a3f5e8c9/best.ckpt',
    size_bytes: 8_388_608,
    available_on_workers: ['worker-gpu-01'],
    notes: '',
    tags: [],
    training: { dataset_hash: 'd7f3a1b2', epochs: 100, final_loss: 0.023, training_duration_sec: 3600 },
    ...fields,
  };
}

let ids = 0;
const publish = (fields: Partial<ModelEntry> = {}): ManifestChange => ({
  type: 'publish_model',
  change_id: `c${ids++}`,
  model: entry(fields),
});
const empty = () => emptyManifest('lab-mice', new Date('2025-11-11T00:00:00Z'));
const merge = (manifest: Manifest, ...changes: ManifestChange[]) => mergeChanges(manifest, changes, NOW);

describe('mergeChanges', () => {
  it('publishes a model under its alias and as the newest of its type', () => {
    const { manifest, outcomes, changed } = merge(empty(), publish({ alias: 'production-v2' }));
    assert.deepEqual(manifest.aliases, { 'production-v2': 'a3f5e8c9', 'latest-centroid': 'a3f5e8c9' });
    assert.equal(manifest.models.a3f5e8c9?.alias, 'production-v2');
    assert.equal(manifest.updated_at, NOW.toISOString());
    assert.equal(changed, true);
    assert.equal(outcomes[0]?.ok, true);
    Manifest.parse(manifest);
  });

  it('does not change its input', () => {
    const before = empty();
    const publication = publish();
    const copy = structuredClone(publication);
    merge(before, publication, { type: 'worker_gone', change_id: 'g', worker: 'worker-gpu-01' });
    assert.deepEqual(before, empty());
    assert.deepEqual(publication, copy);
  });

  it('does not let an older model take the latest alias', () => {
    const newest = publish({ id: '11111111', trained_at: '2025-11-11T11:00:00Z' });
    // The same moment is written in another zone: times are compared, not texts.
    const older = publish({ id: '22222222', trained_at: '2025-11-11T12:30:00+02:00' });
    assert.equal(merge(empty(), newest, older).manifest.aliases['latest-centroid'], '11111111');
  });

  it('moves an alias, and the entries say so', () => {
    const first = merge(empty(), publish({ id: '11111111', alias: 'best' })).manifest;
    const { manifest } = merge(first, publish({ id: '22222222', alias: 'best' }));
    assert.equal(manifest.aliases.best, '22222222');
    assert.equal(manifest.models['11111111']?.alias, null);
    assert.equal(manifest.models['22222222']?.alias, 'best');
  });

  it('does not undo later changes if a publication is repeated', () => {
    const publication = publish({ alias: 'best' });
    const published = merge(empty(), publication).manifest;
    const later = merge(
      published,
      { type: 'remove_alias', change_id: 'r', alias: 'best' },
      { type: 'worker_gone', change_id: 'w', worker: 'worker-gpu-01' },
    ).manifest;
    const again = merge(later, publication);
    assert.equal(again.changed, false);
    assert.equal(again.outcomes[0]?.ok, true);
    assert.deepEqual(again.manifest, later);
  });

  it('gives the requested alias even to a training that ended before the known one', () => {
    const newer = publish({ alias: 'mine', trained_at: '2025-11-11T11:00:00Z', trained_on_worker: 'worker-gpu-02' });
    const { manifest } = merge(empty(), newer, publish({ alias: 'yours' }));
    assert.deepEqual(manifest.aliases, { mine: 'a3f5e8c9', yours: 'a3f5e8c9', 'latest-centroid': 'a3f5e8c9' });
    assert.equal(manifest.models.a3f5e8c9?.trained_on_worker, 'worker-gpu-02');
  });

  it('refuses an alias for a model that is not there, and touches nothing', () => {
    const { changed, outcomes } = merge(empty(), {
      type: 'set_alias',
      change_id: 's',
      alias: 'x',
      model_id: 'ffffffff',
    });
    assert.equal(changed, false);
    assert.deepEqual(
      outcomes.map(({ ok, error }) => [ok, error?.code]),
      [[false, 'MODEL_NOT_FOUND']],
    );
  });

  it('refuses to set or remove its own aliases by hand', () => {
    const { manifest } = merge(empty(), publish());
    const { changed, outcomes } = merge(
      manifest,
      { type: 'set_alias', change_id: '1', alias: 'latest-centroid', model_id: 'a3f5e8c9' },
      { type: 'remove_alias', change_id: '2', alias: 'latest-centroid' },
    );
    assert.equal(changed, false);
    assert.deepEqual(
      outcomes.map(({ error }) => error?.code),
      ['NOT_ALLOWED', 'NOT_ALLOWED'],
    );
  });

  it('records which workers have a model', () => {
    const { manifest } = merge(empty(), publish(), {
      type: 'model_on_worker',
      change_id: 'm',
      model_id: 'a3f5e8c9',
      worker: 'worker-gpu-03',
    });
    assert.deepEqual(manifest.models.a3f5e8c9?.available_on_workers, ['worker-gpu-01', 'worker-gpu-03']);
    const after = merge(manifest, { type: 'worker_gone', change_id: 'g', worker: 'worker-gpu-01' }).manifest;
    assert.deepEqual(after.models.a3f5e8c9?.available_on_workers, ['worker-gpu-03']);
  });

  it('preserves what a newer release has written', () => {
    const first = merge(empty(), publish()).manifest;
    const model = first.models.a3f5e8c9;
    assert.ok(model);
    const newer = { ...first, retention: { days: 30 }, models: { a3f5e8c9: { ...model, license: 'CC0' } } };
    const { manifest } = merge(newer, publish({ id: '22222222' }), publish({ trained_at: '2025-11-12T10:00:00Z' }));
    assert.deepEqual(manifest.retention, { days: 30 });
    assert.equal(manifest.models.a3f5e8c9?.license, 'CC0');
  });

  describe('laws', () => {
    const TYPES = ['centroid', 'bottomup'] as const;
    const modelIds = ['11111111', '22222222', '33333333', '44444444'];
    const aliases = ['best', 'old', 'x'];
    const workers = ['w1', 'w2', 'w3'];
    const publication = fc
      .record({
        index: fc.nat({ max: modelIds.length - 1 }),
        minute: fc.nat({ max: 5 }),
        alias: fc.option(fc.constantFrom(...aliases)),
        worker: fc.constantFrom(...workers),
      })
      .map(({ index, minute, alias, worker }) =>
        publish({
          id: modelIds[index] ?? '',
          alias,
          // A model's id comes from its config, and so does its type.
          model_type: TYPES[index % 2] ?? 'centroid',
          trained_at: `2025-11-11T10:0${minute}:00Z`,
          trained_on_worker: worker,
          available_on_workers: [worker],
        }),
      );
    const anyChange: fc.Arbitrary<ManifestChange> = fc.oneof(
      publication,
      fc.record({
        type: fc.constant('set_alias' as const),
        change_id: fc.uuid(),
        alias: fc.constantFrom(...aliases),
        model_id: fc.constantFrom(...modelIds),
      }),
      fc.record({
        type: fc.constant('remove_alias' as const),
        change_id: fc.uuid(),
        alias: fc.constantFrom(...aliases),
      }),
      fc.record({
        type: fc.constant('model_on_worker' as const),
        change_id: fc.uuid(),
        model_id: fc.constantFrom(...modelIds),
        worker: fc.constantFrom(...workers),
      }),
      fc.record({
        type: fc.constant('worker_gone' as const),
        change_id: fc.uuid(),
        worker: fc.constantFrom(...workers),
      }),
    );
    const batch = fc.array(anyChange, { maxLength: 12 });

    it('the same batch again changes nothing, so a lost reply does no harm', () => {
      fc.assert(
        fc.property(batch, batch, (before, changes) => {
          const start = merge(empty(), ...before).manifest;
          const once = merge(start, ...changes);
          const twice = merge(once.manifest, ...changes);
          assert.deepEqual(twice.manifest, once.manifest);
          assert.equal(twice.changed, false);
        }),
        { numRuns: 3_000 },
      );
    });

    it('every published model is there, whatever the batches', () => {
      fc.assert(
        fc.property(fc.array(batch, { maxLength: 4 }), (batches) => {
          const manifest = batches.reduce((so_far, changes) => merge(so_far, ...changes).manifest, empty());
          const published = batches
            .flat()
            .flatMap((change) => (change.type === 'publish_model' ? [change.model.id] : []));
          assert.deepEqual(Object.keys(manifest.models).sort(), [...new Set(published)].sort());
          Manifest.parse(manifest);
        }),
      );
    });

    it('latest names the newest model of its type, whatever the order of arrival', () => {
      fc.assert(
        fc.property(
          fc
            .array(publication, { minLength: 1, maxLength: 8 })
            .chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
          ([all, shuffled]) => {
            const one = merge(empty(), ...all).manifest;
            const other = shuffled.reduce((manifest, change) => merge(manifest, change).manifest, empty());
            for (const type of TYPES) {
              assert.equal(other.aliases[latestAlias(type)], one.aliases[latestAlias(type)]);
              const named = one.models[one.aliases[latestAlias(type)] ?? ''];
              for (const model of Object.values(one.models)) {
                if (model.model_type === type) assert.ok(named && named.trained_at >= model.trained_at);
              }
            }
          },
        ),
      );
    });

    it('every alias names a model, and every entry’s alias is among the aliases', () => {
      fc.assert(
        fc.property(batch, (changes) => {
          const { manifest } = merge(empty(), ...changes);
          for (const id of Object.values(manifest.aliases)) assert.ok(manifest.models[id]);
          for (const model of Object.values(manifest.models)) {
            if (model.alias !== null) assert.equal(manifest.aliases[model.alias], model.id);
          }
        }),
      );
    });
  });
});
