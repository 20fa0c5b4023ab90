import assert from 'node:assert/strict';
import { ModelId } from '../ids.ts';
import { datasetHash, modelId } from './model-id.ts';
import { readTrainingConfig } from './sleap-config.ts';

const base = {
  data_config: { train_labels_path: ['a.slp'], scale: 1 },
  model_config: { head_configs: { centroid: { confmaps: { sigma: 2.5 } }, bottomup: null } },
  trainer_config: { max_epochs: 5, run_name: 'monday' },
};
const id = (config: object, data = 'd7f3a1b2', retrain?: string) =>
  modelId(readTrainingConfig(config, 'c.yaml').config, data, retrain);

describe('a model’s identity', () => {
  it('is the same for the same config and data, whatever the paths and the run’s name', () => {
    const elsewhere = structuredClone(base);
    elsewhere.data_config.train_labels_path = ['/other/b.slp'];
    elsewhere.trainer_config.run_name = 'tuesday';
    assert.equal(id(elsewhere), id(base));
    assert.ok(ModelId.safeParse(id(base)).success);
  });

  it('is another for other parameters, other data, or when it is retrained', () => {
    const longer = structuredClone(base);
    longer.trainer_config.max_epochs = 6;
    const ids = [id(base), id(longer), id(base, '00000000'), id(base, 'd7f3a1b2', 'x')];
    assert.equal(new Set(ids).size, ids.length);
  });

  it('does not depend on the order of labels or of keys', () => {
    assert.equal(datasetHash(['b', 'a']), datasetHash(['a', 'b']));
    const { data_config, model_config, trainer_config } = base;
    assert.equal(id({ trainer_config, model_config, data_config }), id(base));
  });
});

describe('reading a training config', () => {
  it('derives the model type from the one head that is set', () => {
    assert.equal(readTrainingConfig(base, 'c.yaml').modelType, 'centroid');
  });

  it('names the wrong part, so that a researcher can fix it', () => {
    assert.throws(() => readTrainingConfig('text', 'c.yaml'), { code: 'CONFIG_INVALID' });
    assert.throws(() => readTrainingConfig({ model_config: {} }, 'c.yaml'), /model_config\.head_configs/);
    const two = { model_config: { head_configs: { centroid: {}, bottomup: {} } } };
    assert.throws(() => readTrainingConfig(two, 'c.yaml'), /it has centroid, bottomup/);
    assert.throws(() => readTrainingConfig({ model_config: { head_configs: { heads: {} } } }, 'c.yaml'), /not a head/);
  });
});
