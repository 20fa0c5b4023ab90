import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { checkTrainingConfig, type WorkerDecisions } from './training-config.ts';

const worker: WorkerDecisions = {
  trainLabels: ['flies.pkg.slp'],
  valLabels: [],
  ckptDir: '../work/run-0/1',
  runName: '261124.centroid.n=40',
  resumeFrom: null,
};

const base = `
# @package evil
data_config:
  train_labels_path: [/home/her/labels.pkg.slp]
  test_file_path: /home/her/test.slp
  cache_img_path: /etc
  preprocessing: {scale: 1.0}
model_config:
  pretrained_backbone_weights: null
  backbone_config: {unet: {filters: 8}}
  head_configs: {single_instance: null, centroid: {confmaps: {sigma: 3.0}}}
trainer_config:
  max_epochs: 7
  use_wandb: true
  wandb: {api_key: her-secret}
  trainer_device_indices: [3]
  lr_scheduler: {reduce_lr_on_plateau: {min_lr: 1.0e-08}}
`;

function refused(yaml: string, expected: RegExp): void {
  assert.throws(
    () => checkTrainingConfig(yaml, 'centroid.yaml'),
    (error: unknown) => {
      assert.ok(error instanceof SleapRtcError);
      assert.equal(error.code, 'CONFIG_INVALID');
      assert.match(error.message, expected);
      return true;
    },
  );
}

describe('training config', () => {
  it('leaves the training settings alone and replaces the paths of the exporter’s machine', () => {
    const checked = checkTrainingConfig(base, 'centroid.yaml');
    assert.equal(checked.modelType, 'centroid');
    assert.equal(checked.maxEpochs, 7);
    const text = checked.forWorker(worker);
    const config = parse(text);
    assert.deepEqual(config.data_config.train_labels_path, ['flies.pkg.slp']);
    assert.equal(config.data_config.val_labels_path, null);
    assert.equal(config.trainer_config.run_name, '261124.centroid.n=40');
    assert.equal(config.trainer_config.save_ckpt, true);
    assert.equal(config.trainer_config.model_ckpt.save_last, true);
    assert.equal(config.trainer_config.zmq.publish_port, null);
    assert.equal(config.trainer_config.trainer_device_indices, null);
    assert.equal(config.model_config.backbone_config.unet.filters, 8);
    assert.doesNotMatch(text, /her-secret|\/etc|\/home\/her|@package/);
  });

  it('leaves numbers as they were written, since sleap-nn distinguishes 1.0 from 1', () => {
    const text = checkTrainingConfig(base, 'c.yaml').forWorker(worker);
    assert.match(text, /scale: 1\.0/);
    assert.match(text, /min_lr: 1e-8/);
    assert.match(text, /sigma: 3\.0/);
  });

  it('can be written for several attempts after it was read once', () => {
    const checked = checkTrainingConfig(base, 'c.yaml');
    checked.forWorker({ ...worker, resumeFrom: '../work/run-0/1/x/last.ckpt' });
    assert.equal(parse(checked.forWorker(worker)).trainer_config.resume_ckpt_path, null);
  });

  it('quotes names that a YAML 1.1 reader would take for another type', () => {
    const text = checkTrainingConfig(base, 'c.yaml').forWorker({
      ...worker,
      runName: 'yes',
      trainLabels: ['1:30', 'no'],
    });
    assert.match(text, /run_name: "yes"/);
    assert.match(text, /"1:30"/);
    assert.match(text, /"no"/);
  });

  it('adds the sections that a short config lacks', () => {
    const text = checkTrainingConfig(
      'model_config: {head_configs: {centroid: {}}}\ntrainer_config:\n',
      'c.yaml',
    ).forWorker(worker);
    assert.equal(parse(text).trainer_config.ckpt_dir, '../work/run-0/1');
  });

  const withLine = (section: string, line: string) => base.replace(`${section}:\n`, `${section}:\n  ${line}\n`);

  it('refuses configs that could read the worker’s environment or other files', () => {
    refused(
      withLine('trainer_config', `optimizer_name: "\${oc.env:AWS_SECRET_ACCESS_KEY}"`),
      /trainer_config\.optimizer_name.*interpolation/,
    );
    refused(`${base}"\${oc.env:X}": 1\n`, /interpolation/);
    refused(`${base}defaults: [/etc/other]\n`, /defaults is not a section/);
    refused(`${base}hydra: {run: {dir: /}}\n`, /hydra is not a section/);
    refused(base.replace('weights: null', 'weights: /models/other.ckpt'), /model_config\.pretrained_backbone_weights/);
    refused(withLine('trainer_config', 'resume_ckpt_path: /x/last.ckpt'), /trainer_config\.resume_ckpt_path/);
    refused(withLine('model_config', 'init_weights: !!python/name:os.system x'), /tag/);
    refused(withLine('model_config', '<<: {pretrained_head_weights: /x.ckpt}'), /merge key/);
    refused(base.replace('{filters: 8}', '&a {filters: 8}').concat('name: *a\n'), /alias/);
    refused(
      base.replace('{unet: {filters: 8}}', '{pretrained: {model_name: ../../secret}}'),
      /model_config\.backbone_config\.pretrained\.model_name/,
    );
  });

  it('names the weights that the worker fetches, and refuses those that only sleap-nn could, without a network', () => {
    const withBackbone = (backbone: string) =>
      checkTrainingConfig(base.replace('{unet: {filters: 8}}', backbone), 'c.yaml').weightsToFetch();
    assert.throws(() => withBackbone('{pretrained: {model_name: facebook/convnextv2-nano-22k-224}}'), {
      code: 'CONFIG_INVALID',
      message: /pretrained\.model_name/,
    });
    assert.deepEqual(withBackbone('{convnext: {pre_trained_weights: ConvNeXt_Tiny_Weights}}'), [
      'ConvNeXt_Tiny_Weights',
    ]);
    assert.deepEqual(withBackbone('{swint: {pre_trained_weights: Swin_T_Weights}}'), ['Swin_T_Weights']);
    assert.deepEqual(withBackbone('{convnext: {pre_trained_weights: null}}'), []);
  });

  it('names the line of broken YAML', () => {
    refused('model_config:\n  a: [1\n', /line \d+ is not valid YAML/);
  });
});
