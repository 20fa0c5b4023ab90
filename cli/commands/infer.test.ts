import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import type { ModelType } from '../../protocol/models/sleap-config.ts';
import { useDesk } from '../testing/desk.ts';
import { mp4 } from '../testing/fixtures.ts';

describe('sleap-rtc infer', function () {
  this.timeout(60_000);

  const desk = useDesk({
    async prepare({ home }) {
      await writeFile(home.path('clip.mp4'), mp4());
      published('a0000001', 'centroid');
      published('a0000002', 'centered_instance');
      published('a0000003', 'single_instance');
    },
  });

  function published(id: string, model_type: ModelType): void {
    const training = { dataset_hash: '12345678', epochs: 2, final_loss: 0.1, training_duration_sec: 3 };
    const place = { s3_path: 's3://x/', checkpoint_path: 's3://x/best.ckpt', size_bytes: 7, available_on_workers: [] };
    const origin = { trained_at: new Date().toISOString(), trained_by: 'user-2', trained_on_worker: 'gpu-1' };
    desk.server.manifest.models[id] = {
      id,
      alias: null,
      model_type,
      ...origin,
      ...place,
      notes: '',
      tags: [],
      training,
    };
    desk.server.manifest.aliases[`latest-${model_type}`] = id;
  }

  it('sends the video, shows frames and rate, and brings the predictions, overwriting nothing', async () => {
    await mkdir(desk.home.path('preds'));
    await writeFile(desk.home.path('preds/clip.mp4.predictions.slp'), 'of yesterday');
    const worker = await desk.joined();
    const args = [
      '-m',
      'latest-centered_instance',
      '-m',
      'latest-centroid',
      '-o',
      'preds',
      '--frames',
      '0-9',
      '--json',
    ];
    const running = desk.home.start('infer', 'clip.mp4', ...args);
    const spec = await desk.server.submitted();
    assert.ok(spec.kind === 'inference');
    assert.deepEqual([spec.models, spec.input, spec.frames], [['a0000001', 'a0000002'], 'clip.mp4', '0-9']);
    assert.equal(spec.source_path, await realpath(desk.home.path('clip.mp4')), 'the predictions name this path');
    await worker.receive(spec, desk.home.path('worker'));
    assert.deepEqual(await readFile(desk.home.path('worker/clip.mp4')), await readFile(desk.home.path('clip.mp4')));
    desk.server.update(spec.job_id, { phase: 'predicting' });
    const frames = { frames: 10, total_frames: 10, frames_per_s: 55.5, seconds_left: 0 };
    await worker.progress(spec.job_id, { phase: 'predicting', frames });
    await mkdir(desk.home.path('worker/results'));
    await writeFile(desk.home.path('worker/results/clip.mp4.predictions.slp'), 'predictions');
    await worker.send(spec.job_id, desk.home.path('worker/results'), ['clip.mp4.predictions.slp']);
    storePredictions(spec.job_id);
    const { exitCode, stdout, stderr } = await running;
    assert.equal(exitCode, 0, stderr);
    assert.doesNotMatch(stderr, /Downloading/);
    assert.match(stderr, /10\/10 frames +55\.5 frames\/s/);
    assert.deepEqual(JSON.parse(stdout).predictions, ['preds/clip.mp4.predictions-2.slp']);
    assert.equal(await readFile(desk.home.path('preds/clip.mp4.predictions-2.slp'), 'utf8'), 'predictions');
    assert.equal(await readFile(desk.home.path('preds/clip.mp4.predictions.slp'), 'utf8'), 'of yesterday');
    assert.equal((await readdir(desk.home.path('preds'))).length, 2);
  });

  const refusals: [string, string[], string, RegExp][] = [
    ['a video that is not there', ['no.mp4', '-m', 'a0000003'], 'FILE_NOT_FOUND', /no\.mp4 does not exist/],
    ['a file that is neither video nor labels', ['notes.txt', '-m', 'a0000003'], 'VIDEO_INVALID', /neither a video/],
    ['an empty video', ['empty.mp4', '-m', 'a0000003'], 'VIDEO_INVALID', /is empty/],
    ['no model', ['clip.mp4'], 'USAGE', /model/],
    ['a model that the room has not got', ['clip.mp4', '-m', 'bees'], 'MODEL_NOT_FOUND', /“bees”/],
    ['half of a top-down pair', ['clip.mp4', '-m', 'latest-centered_instance'], 'USAGE', /needs a centroid model/],
    [
      'models that do not go together',
      ['clip.mp4', '-m', 'a0000001', '-m', 'a0000003'],
      'USAGE',
      /cannot predict together/,
    ],
    ['frames that are none', ['clip.mp4', '-m', 'a0000003', '--frames', 'all'], 'USAGE', /frames/],
  ];
  for (const [what, args, code, words] of refusals) {
    it(`refuses ${what}, and submits nothing`, async () => {
      await writeFile(desk.home.path('notes.txt'), 'x');
      await writeFile(desk.home.path('empty.mp4'), '');
      const { exitCode, stderr } = await desk.home.run('infer', ...args);
      assert.equal(exitCode, 2, stderr);
      assert.match(stderr, new RegExp(`^Error: .*\\[${code}\\]\n`));
      assert.match(stderr, words);
      assert.equal(desk.server.jobs.size, 0);
    });
  }

  /** Puts the predictions of a job into the storage, as if it had ended while no computer was there to receive them. */
  function storePredictions(jobId: string): void {
    const content = Buffer.from('predictions');
    const sha256 = createHash('sha256').update(content).digest('hex');
    desk.server.storage.set(jobId, [{ path: 'clip.mp4.predictions.slp', content, sha256 }]);
    desk.server.update(jobId, { phase: 'done' });
  }

  it('refuses predictions of a worker that the storage does not have, and downloads the right ones', async () => {
    const worker = await desk.joined();
    const running = desk.home.start('infer', 'clip.mp4', '-m', 'latest-centroid', '-o', 'preds');
    const spec = await desk.server.submitted();
    await worker.receive(spec, desk.home.path('worker'));
    desk.server.update(spec.job_id, { phase: 'returning' });
    await mkdir(desk.home.path('worker/results'));
    for (const name of ['clip.mp4.predictions.slp', 'clip2.mp4.predictions.slp']) {
      await writeFile(desk.home.path('worker/results', name), 'of a stranger');
      await worker.send(spec.job_id, desk.home.path('worker/results'), [name]);
    }
    storePredictions(spec.job_id);
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /What a worker sent as the predictions is not what the room has published/);
    assert.equal(await readFile(desk.home.path('preds/clip.mp4.predictions.slp'), 'utf8'), 'predictions');
    assert.deepEqual(await readdir(desk.home.path('preds')), ['clip.mp4.predictions.slp']);
  });

  it('downloads the predictions from the storage if they cannot come over WebRTC', async () => {
    const running = desk.home.start('infer', 'clip.mp4', '-m', 'latest-centroid', '-o', 'preds');
    const spec = await desk.server.submitted();
    storePredictions(spec.job_id);
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /latest-centroid finds only the positions of the animals/);
    assert.match(stderr, /Downloading the predictions from the room’s storage/);
    assert.equal(await readFile(desk.home.path('preds/clip.mp4.predictions.slp'), 'utf8'), 'predictions');
    assert.deepEqual(await readdir(desk.home.path('preds')), ['clip.mp4.predictions.slp']);
  });

  it('`jobs get` downloads them later, and says if there is nothing to download yet', async () => {
    const running = desk.home.start('infer', 'clip.mp4', '-m', 'a0000003', '--on-interrupt', 'detach');
    const spec = await desk.server.submitted();
    running.kill('SIGINT');
    assert.equal((await running).exitCode, 130);

    const early = await desk.home.run('jobs', 'get', spec.job_id);
    assert.equal(early.exitCode, 2, early.stderr);
    assert.match(early.stderr, /has not ended yet.*\n.*jobs attach/);

    storePredictions(spec.job_id);
    const { exitCode, stdout } = await desk.home.run('jobs', 'get', spec.job_id, '-o', 'later', '--json');
    assert.equal(exitCode, 0, stdout);
    assert.deepEqual(JSON.parse(stdout).predictions, ['later/clip.mp4.predictions.slp']);
    assert.deepEqual(await readdir(desk.home.path('later')), ['clip.mp4.predictions.slp']);
  });

  for (const [has, says] of [
    [true, /gpu-1 has the model on its disk/],
    [false, /No worker has the model on its disk/],
  ] as const) {
    it(`says that the worker ${has ? 'has the model' : 'will fetch the model'}`, async () => {
      const worker = await desk.joined();
      worker.answer(has);
      const running = desk.home.start('infer', 'clip.mp4', '-m', 'a0000003', '--on-interrupt', 'cancel');
      await desk.server.submitted();
      running.kill('SIGINT');
      assert.match((await running).stderr, says);
    });
  }
});
