import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { ErrorCode } from '../../../protocol/errors.ts';
import { explainFailure, withoutFolders } from './explain-failure.ts';

/** What a researcher reads for each real log: the code, and what the sentence must say. */
const EXPECTED: [fixture: string, code: ErrorCode, says: RegExp][] = [
  ['unknown-key', 'CONFIG_REFUSED', /trainer_config\.max_epoch: Key 'max_epoch'/],
  ['nested-unknown', 'CONFIG_REFUSED', /model_config\.backbone_config\.unet\.filtres/],
  ['wrong-type', 'CONFIG_REFUSED', /trainer_config\.max_epochs: Value 'many'/],
  ['bad-optimizer', 'CONFIG_REFUSED', /optimizer_name must be one of: Adam, AdamW\.$/],
  ['negative-lr', 'CONFIG_REFUSED', /trainer_config, OptimizerConfig.*'lr' must be > 0: -1\.0/],
  ['no-backbone', 'CONFIG_REFUSED', /BackboneConfig: At least one attribute/],
  ['two-nodes-part', 'CONFIG_REFUSED', /model_config\.head_configs\.centered_instance\.confmaps\.part_names/],
  ['truncated', 'LABELS_CORRUPT', /^flies\.pkg\.slp cannot be read as SLEAP labels: .*truncated file/],
  ['random', 'LABELS_CORRUPT', /^flies\.pkg\.slp .*file signature not found/],
  ['text', 'LABELS_CORRUPT', /^flies\.pkg\.slp .*file signature not found/],
  ['full', 'DISK_FULL', /disk is full/],
  ['host-memory', 'TRAINING_FAILED', /too little memory/],
  ['batch-zero', 'TRAINING_FAILED', /batch_size should be a positive integer/],
  ['bad-anchor', 'TRAINING_FAILED', /'nose' is not in list/],
  ['multi-instance', 'TRAINING_FAILED', /at most one instance per frame.*has 2 instances/],
];

async function explain(fixture: string) {
  const logTail = await readFile(new URL(`fixtures/${fixture}.log`, import.meta.url), 'utf8');
  return explainFailure({ exitCode: 1, logTail, inputs: ['flies.pkg.slp'], otherwise: 'TRAINING_FAILED' });
}

describe('explaining a failed sleap-nn', () => {
  for (const [fixture, code, says] of EXPECTED) {
    it(`${fixture}: ${code}`, async () => {
      const error = await explain(fixture);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, says);
      assert.doesNotMatch(error.message, /\/opt|\/srv|site-packages|Traceback/);
      assert.match(error.message, /[.!?]$/);
    });
  }

  it('says which video cannot be read, as it does for labels', async () => {
    const logTail = await readFile(new URL('fixtures/video-damaged.log', import.meta.url), 'utf8');
    const error = explainFailure({ exitCode: 1, logTail, inputs: ['bad.mp4'], otherwise: 'PREDICTION_FAILED' });
    assert.equal(error.code, 'VIDEO_INVALID');
    assert.equal(error.message, 'bad.mp4 cannot be read as a video: it reports no frames.');
  });

  it('recognizes a GPU with too little memory by torch’s wording', () => {
    const logTail = [
      'Traceback (most recent call last):',
      '  File "/opt/sleap-nn/lib/python3.11/site-packages/torch/nn/modules/conv.py", line 543, in forward',
      'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB',
    ].join('\n');
    const error = explainFailure({ exitCode: 1, logTail, inputs: [], otherwise: 'TRAINING_FAILED' });
    assert.equal(error.code, 'GPU_OUT_OF_MEMORY');
    assert.match(error.message, /it has 7\.79 GiB, and 2\.00 GiB more were needed/);
    assert.match(error.remedy, /batch_size/);
  });

  it('distinguishes a broken GPU from one that is too small: another worker may do the job', () => {
    for (const message of [
      'RuntimeError: No CUDA GPUs are available',
      'torch.AcceleratorError: CUDA error: uncorrectable ECC error encountered',
    ]) {
      const logTail = `Traceback (most recent call last):\n  File "/x/torch/cuda/__init__.py", line 1, in _lazy_init\n${message}`;
      const error = explainFailure({ exitCode: 1, logTail, inputs: [], otherwise: 'TRAINING_FAILED' });
      assert.equal(error.code, 'GPU_BROKEN');
    }
  });

  const TORCH = '/x/torch/utils/data/dataloader.py';
  const raised = (frame: string, exception: string) =>
    explainFailure({
      exitCode: 1,
      logTail: `Traceback (most recent call last):\n  File "${frame}", line 1, in f\n${exception}`,
      inputs: ['flies.pkg.slp'],
      otherwise: 'TRAINING_FAILED',
    }).code;

  it('does not blame the worker for words that the job has chosen: keys of its config, names of its files', () => {
    const said = [
      'NVML',
      'No CUDA GPUs are available',
      'CUDA error: unknown error',
      'CUDA out of memory',
      '[Errno 28] No space left on device',
      'DataLoader worker (pid 1) is killed by signal: Killed.',
    ];
    const blamesWorker = ['GPU_BROKEN', 'GPU_OUT_OF_MEMORY', 'DISK_FULL', 'TRAINER_KILLED', 'INTERNAL'];
    for (const words of said) {
      for (const [frame, exception] of [
        ['/x/omegaconf/_utils.py', `omegaconf.errors.ConfigKeyError: Key '${words}' not in 'TrainerConfig'`],
        ['/x/sleap_nn/config/trainer_config.py', `ValueError: ${words}`],
        ['/x/sleap_io/io/slp.py', `RuntimeError: ${words}`],
        ['/x/h5py/_hl/files.py', `FileNotFoundError: [Errno 2] Unable to open file (name = '${words}', errno = 2)`],
        ['/x/sleap_nn/training/model_trainer.py', `KeyError: '${words}'`],
      ] as const) {
        const code = raised(frame, exception);
        assert.ok(!blamesWorker.includes(code), `${code} for ${exception}`);
      }
    }
  });

  it('lets a training whose data loader was killed go on', () => {
    const killed = 'RuntimeError: DataLoader worker (pid 812) is killed by signal: Killed. ';
    const lost = 'RuntimeError: DataLoader worker (pid(s) 812, 813) exited unexpectedly';
    assert.deepEqual([raised(TORCH, killed), raised(TORCH, lost)], ['TRAINER_KILLED', 'TRAINER_KILLED']);
  });

  it('knows NVIDIA’s own errors by their type', () => {
    assert.equal(raised('/x/pynvml.py', 'pynvml.NVMLError_DriverNotLoaded: Driver Not Loaded'), 'GPU_BROKEN');
    assert.equal(
      raised('/x/torch/cuda/__init__.py', 'torch.AcceleratorError: CUDA error: out of memory'),
      'GPU_OUT_OF_MEMORY',
    );
  });

  it('falls back to the exit code and the last line', () => {
    const error = explainFailure({
      exitCode: 2,
      logTail: 'Usage: …\nNo such option: --x\n',
      inputs: [],
      otherwise: 'PREDICTION_FAILED',
    });
    assert.equal(error.code, 'PREDICTION_FAILED');
    assert.match(error.message, /exit code 2: No such option: --x\.$/);
  });

  it('leaves folders out of messages, but not ratios, URLs or relative paths', () => {
    assert.equal(withoutFolders("open '/srv/worker/jobs/abc/x.slp'"), "open 'x.slp'");
    assert.equal(
      withoutFolders('see https://example.org/a/b, 3/4 of data/x.slp'),
      'see https://example.org/a/b, 3/4 of data/x.slp',
    );
  });
});
