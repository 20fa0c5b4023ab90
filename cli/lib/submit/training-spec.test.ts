import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { parse } from 'yaml';
import { emptyManifest, type Manifest, type ModelEntry } from '../../../protocol/models/manifest.ts';
import { datasetHash, modelId } from '../../../protocol/models/model-id.ts';
import { readTrainingConfig } from '../../../protocol/models/sleap-config.ts';
import { configYaml } from '../../testing/fixtures.ts';
import type { PreparedRun } from '../inputs/prepare-training.ts';
import { trainingSpec, withoutKnownModels } from './training-spec.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const entry = (path: string) => ({ path, size_bytes: path.length, sha256: sha256(path) });

function run(head: 'centroid' | 'centered_instance', labels: string): PreparedRun {
  const { config, modelType } = readTrainingConfig(parse(configYaml(head)), `${head}.yaml`);
  return {
    name: head,
    config: `${head}.yaml`,
    trainLabels: [labels],
    valLabels: [],
    modelType,
    parsed: config,
  };
}

const runs = [run('centroid', 'a.pkg.slp'), run('centered_instance', 'b.pkg.slp')];
const entries = ['a.pkg.slp', 'b.pkg.slp', 'centroid.yaml', 'centered_instance.yaml'].map(entry);

function spec(options: { alias?: string; retrain?: boolean } = {}) {
  const { alias, retrain = false } = options;
  const fixed = { jobId: 'abcdefgh12345678', notes: '', tags: [], requirements: {}, stage: true };
  return trainingSpec({ name: 'flies', runs }, entries, { ...fixed, alias, retrain });
}

/** A room that has the models of these runs. */
function manifest(...known: PreparedRun[]): Manifest {
  const models = known.map(({ parsed, trainLabels, modelType }): [string, ModelEntry] => {
    const dataset_hash = datasetHash(trainLabels.map(sha256));
    const id = modelId(parsed, dataset_hash);
    const training = { dataset_hash, epochs: 2, final_loss: 0.1, training_duration_sec: 3 };
    const where = { s3_path: 's3://x/', checkpoint_path: 's3://x/best.ckpt', size_bytes: 1, available_on_workers: [] };
    const by = { trained_at: new Date().toISOString(), trained_by: 'user-2', trained_on_worker: 'gpu-1' };
    return [id, { id, alias: null, model_type: modelType, ...by, ...where, notes: '', tags: [], training }];
  });
  return { ...emptyManifest('lab-mice', new Date()), models: Object.fromEntries(models) };
}

describe('a job with several models', () => {
  it('is refused before it trains if the alias has no space for the model types', () => {
    assert.equal(spec({ alias: 'a'.repeat(45) }).alias?.length, 45);
    assert.throws(() => spec({ alias: 'a'.repeat(46) }), {
      code: 'USAGE',
      message: /^alias is not valid: with several/,
    });
  });
});

describe('a job with several models, submitted again', () => {
  const [centroid, centered] = runs as [PreparedRun, PreparedRun];

  it('trains only the models that the room lacks, sends only their files, and says so', () => {
    const said: string[] = [];
    const left = withoutKnownModels({ runs }, spec(), manifest(centroid), (sentence) => said.push(sentence));
    assert.deepEqual(
      left.runs.map(({ name }) => name),
      ['centered_instance'],
    );
    assert.deepEqual(
      left.files.map(({ path }) => path),
      ['b.pkg.slp', 'centered_instance.yaml'],
    );
    assert.match(
      said.join('\n'),
      /^The room already has [0-9a-f]{8} \(centroid, by user-2\)\. Only the rest .*: centered_instance\.$/,
    );
  });

  it('gives a model that is trained alone the alias that it would have beside the others', () => {
    const left = withoutKnownModels({ runs }, spec({ alias: 'flies' }), manifest(centroid), () => undefined);
    assert.equal(left.alias, 'flies-centered_instance');
  });

  it('is refused if the room has all models, and trains all of them with --retrain', () => {
    const all = manifest(centroid, centered);
    const say = () => assert.fail('nothing to say');
    assert.throws(() => withoutKnownModels({ runs }, spec(), all, say), {
      code: 'MODEL_EXISTS',
      message: /these configs/,
    });
    assert.equal(withoutKnownModels({ runs }, spec({ retrain: true }), all, say).runs.length, 2);
    assert.equal(withoutKnownModels({ runs }, spec(), manifest(), say).runs.length, 2);
  });
});
