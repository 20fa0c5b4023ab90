import assert from 'node:assert/strict';
import { emptyManifest, Manifest, type ModelEntry, resolveModel } from './manifest.ts';

const entry = (id: string): ModelEntry => ({
  id,
  alias: null,
  model_type: 'centroid',
  trained_at: '2025-11-11T10:00:00Z',
  trained_by: 'user-123',
  trained_on_worker: 'worker-gpu-01',
  s3_path: `s3://sleap-rtc-rooms/lab/models/${id}/`,
  checkpoint_path: `s3://sleap-rtc-rooms/lab/models/${id}/best.ckpt`,
  size_bytes: 1,
  available_on_workers: [],
  notes: '',
  tags: [],
  training: { dataset_hash: 'd7f3a1b2', epochs: 1, final_loss: null, training_duration_sec: 1 },
});

describe('finding a model by what people call it', () => {
  const manifest: Manifest = {
    ...emptyManifest('lab', new Date(0)),
    models: { a3f5e8c9: entry('a3f5e8c9'), a3f50000: entry('a3f50000') },
    aliases: { 'latest-centroid': 'a3f5e8c9' },
  };

  it('takes an alias, an id, or the beginning of an id that only one model has', () => {
    for (const reference of ['latest-centroid', 'a3f5e8c9', 'a3f5e']) {
      assert.equal(resolveModel(manifest, reference)?.id, 'a3f5e8c9');
    }
  });

  it('does not guess if a name is ambiguous', () => {
    for (const reference of ['a3f5', 'production', 'ffffffff', '__proto__', 'constructor']) {
      assert.equal(resolveModel(manifest, reference), undefined);
    }
  });

  it('reads the manifest of the seed’s example, and preserves fields that it does not know', () => {
    const text = JSON.stringify({ ...manifest, future: 1 });
    assert.equal(Manifest.parse(JSON.parse(text)).future, 1);
  });
});
