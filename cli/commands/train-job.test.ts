import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { SleapRtcError } from '../../protocol/errors.ts';
import { datasetHash, modelId } from '../../protocol/models/model-id.ts';
import { readTrainingConfig } from '../../protocol/models/sleap-config.ts';
import { FILES, MODEL, useDesk } from '../testing/desk.ts';
import { configYaml } from '../testing/fixtures.ts';
import { TOKEN } from '../testing/test-server.ts';

describe('sleap-rtc train, with a server and a worker', function () {
  this.timeout(60_000);

  const desk = useDesk();

  it('sends the data, shows the epochs, brings the model back, and ends', async () => {
    const worker = await desk.joined();
    const running = desk.train('--alias', 'flies', '--model-tag', 'v1', '--notes', 'first');
    const spec = await desk.untilPublished(worker);
    assert.equal(spec.kind, 'training');
    assert.deepEqual(spec.kind === 'training' && spec.runs, [
      {
        name: 'single',
        config: 'single.yaml',
        train_labels: ['flies.pkg.slp'],
        val_labels: [],
        model_type: 'single_instance',
      },
    ]);
    await worker.send(spec.job_id, desk.home.path('worker', 'models'), FILES);
    desk.server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stdout, stderr } = await running;

    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(
      await readFile(desk.home.path('worker/dataset/flies.pkg.slp')),
      await readFile(desk.home.path('flies.pkg.slp')),
    );
    assert.deepEqual(
      await readFile(desk.home.path('models/single/best.ckpt')),
      await readFile(desk.home.path('worker/models/single/best.ckpt')),
    );
    assert.deepEqual(await readdir(desk.home.path('models')), ['single']);
    for (const line of [
      /Worker gpu-1 has the job/,
      /Connected to gpu-1 directly\./,
      /Sent 30\d kB in/,
      /epoch 1\/2 .*val loss 0\.2/,
      /epoch 2\/2/,
      /Received/,
    ]) {
      assert.match(stderr, line);
    }
    for (const line of [
      /a3f5e8c9/,
      /flies, latest-single_instance/,
      /models\/single/,
      /temporal\.test/,
      /infer VIDEO -m flies/,
    ]) {
      assert.match(stdout, line);
    }
    assert.doesNotMatch(stdout + stderr, new RegExp(TOKEN));
  });

  it('with --json prints one object on stdout, with the model’s path', async () => {
    const worker = await desk.joined();
    const running = desk.train('--json');
    const spec = await desk.untilPublished(worker);
    await worker.send(spec.job_id, desk.home.path('worker', 'models'), FILES);
    desk.server.update(spec.job_id, { phase: 'done' });
    const result = JSON.parse((await running).stdout);
    assert.equal(result.ok, true);
    assert.equal(result.job_id, spec.job_id);
    assert.equal(result.temporal_ui_url, `http://temporal.test/${spec.job_id}`);
    assert.deepEqual(result.models, [
      { id: MODEL.id, model_type: MODEL.model_type, aliases: MODEL.aliases, path: 'models/single' },
    ]);
    assert.equal(typeof result.seconds.total, 'number');
  });

  it('never overwrites an existing model folder', async () => {
    await mkdir(desk.home.path('models/single'), { recursive: true });
    await writeFile(desk.home.path('models/single/mine.txt'), 'precious');
    const worker = await desk.joined();
    const running = desk.train();
    const spec = await desk.untilPublished(worker);
    await worker.send(spec.job_id, desk.home.path('worker', 'models'), FILES);
    desk.server.update(spec.job_id, { phase: 'done' });
    assert.equal((await running).exitCode, 0);
    assert.deepEqual(await readdir(desk.home.path('models/single')), ['mine.txt']);
    assert.ok((await readdir(desk.home.path('models/single-2'))).includes('best.ckpt'));
  });

  it('downloads the model from the storage if it cannot come over WebRTC', async () => {
    const worker = await desk.joined();
    const running = desk.train('-o', 'out/here');
    const spec = await desk.untilPublished(worker);
    desk.server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /from the room’s storage/);
    assert.deepEqual(await readdir(desk.home.path('out/here')), ['single']);
    assert.deepEqual(
      await readFile(desk.home.path('out/here/single/best.ckpt')),
      await readFile(desk.home.path('worker/models/single/best.ckpt')),
    );
  });

  const forgeries: [string, (models: string) => Promise<string[]>][] = [
    [
      'another checkpoint',
      async (models) => {
        await writeFile(join(models, 'single/best.ckpt'), 'a pickle of a stranger');
        return FILES;
      },
    ],
    ['one file of three', async () => FILES.slice(0, 1)],
    [
      'a file too many',
      async (models) => {
        await writeFile(join(models, 'single/more.ckpt'), 'a pickle of a stranger');
        return [...FILES, 'single/more.ckpt'];
      },
    ],
  ];
  for (const [what, forge] of forgeries) {
    it(`refuses ${what} from a worker, and downloads the published model instead`, async () => {
      const worker = await desk.joined();
      const running = desk.train();
      const spec = await desk.untilPublished(worker);
      const models = desk.home.path('worker', 'models');
      await worker.send(spec.job_id, models, await forge(models));
      desk.server.update(spec.job_id, { phase: 'done' });
      const { exitCode, stderr } = await running;
      assert.equal(exitCode, 0, stderr);
      assert.match(stderr, /What a worker sent as model a3f5e8c9 is not what the room has published\. It was refused/);
      const stored = desk.server.storage.get(MODEL.id) ?? [];
      for (const { path, content } of stored) {
        assert.deepEqual(await readFile(desk.home.path('models/single', path)), content, path);
      }
      const files = await readdir(desk.home.path('models'), { recursive: true });
      assert.ok(!files.some((file) => file.includes('more.ckpt') || file.includes('.partial')), files.join());
    });
  }

  it('removes what a killed command has left in the output folder', async () => {
    await mkdir(desk.home.path('models'));
    const killed = desk.train();
    const worker = await desk.joined();
    const spec = await desk.untilPublished(worker);
    await worker.send(spec.job_id, desk.home.path('worker', 'models'), FILES);
    killed.kill('SIGKILL');
    await killed.catch(() => undefined);
    assert.match((await readdir(desk.home.path('models'))).join(), /\.partial/, 'the results had arrived');
    await desk.train('--retrain', '--wait', '0.02');
    assert.deepEqual(await readdir(desk.home.path('models')), []);
  });

  it('removes a downloaded model that is not the published one', async () => {
    desk.server.damage = (content) => Buffer.concat([content.subarray(1), Buffer.from('!')]);
    const worker = await desk.joined();
    const running = desk.train();
    const spec = await desk.untilPublished(worker);
    desk.server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 3, stderr);
    assert.match(stderr, /\[INTEGRITY\]/);
    assert.deepEqual(await readdir(desk.home.path('models')), []);
  });

  it('submits once, even if the answer is lost', async () => {
    desk.server.lostReplies = 2;
    const { stderr } = await desk.train('--wait', '0.02');
    assert.equal(desk.server.requests.filter((request) => request.endsWith('/jobs')).length, 3);
    assert.equal(desk.server.jobs.size, 1, stderr);
  });

  it('does not send or submit a training whose model the room has already', async () => {
    const { config } = readTrainingConfig(parse(configYaml()), 'single.yaml');
    const { createHash } = await import('node:crypto');
    const sha256 = createHash('sha256')
      .update(await readFile(desk.home.path('flies.pkg.slp')))
      .digest('hex');
    const id = modelId(config, datasetHash([sha256]));
    desk.server.manifest.models[id] = {
      id,
      alias: null,
      model_type: 'single_instance',
      trained_at: new Date().toISOString(),
      trained_by: 'user-2',
      trained_on_worker: 'gpu-1',
      s3_path: 's3://x/',
      checkpoint_path: 's3://x/best.ckpt',
      size_bytes: 1,
      available_on_workers: [],
      notes: '',
      tags: [],
      training: { dataset_hash: datasetHash([sha256]), epochs: 2, final_loss: 0.1, training_duration_sec: 3 },
    };
    const { exitCode, stderr } = await desk.train();
    assert.equal(exitCode, 2);
    assert.match(
      stderr,
      new RegExp(`already has a model of this config and data: ${id} .*\\[MODEL_EXISTS\\]\n.*--retrain`),
    );
    assert.equal(desk.server.jobs.size, 0);
    await desk.train('--retrain', '--wait', '0.02');
    assert.equal(desk.server.jobs.size, 1);
  });

  it('unknown room, expired room, wrong token: exit 4 and nothing submitted', async () => {
    desk.home.env.SLEAP_RTC_TOKEN = 'another-token';
    const wrong = await desk.train();
    assert.equal(wrong.exitCode, 4);
    assert.match(wrong.stderr, /\[TOKEN_REFUSED\]/);
    const unknown = await desk.train('--room', 'no-such-room');
    assert.equal(unknown.exitCode, 4);
    assert.match(unknown.stderr, /no-such-room with this token\. \[TOKEN_REFUSED\]/);
    desk.server.refusal = new SleapRtcError('ROOM_EXPIRED', 'The room lab-mice has expired.');
    const expired = await desk.train();
    assert.equal(expired.exitCode, 4);
    assert.match(expired.stderr, /rooms open/);
    assert.equal(desk.server.jobs.size, 0);
  });

  it('waits for unavailable storage, before the job and after it', async () => {
    desk.server.storageUnavailable = true;
    const worker = await desk.joined();
    const running = desk.train();
    await desk.home.says(
      running,
      /The S3 storage cannot be reached. Waiting until it is available again; nothing is lost/,
    );
    assert.equal(desk.server.jobs.size, 0);
    desk.server.storageUnavailable = false;
    const spec = await desk.untilPublished(worker);
    desk.server.storageUnavailable = true;
    desk.server.update(spec.job_id, { phase: 'done' });
    await desk.home.says(running, /Downloading the model from the room’s storage/);
    await desk.home.says(running, /Available again.*Waiting until it is available again; nothing is lost/s);
    desk.server.storageUnavailable = false;
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(await readdir(desk.home.path('models')), ['single']);
  });

  it('outlives a server that restarts while it trains, and says so', async () => {
    const worker = await desk.joined();
    const running = desk.train();
    const spec = await desk.server.submitted();
    await worker.receive(spec, desk.home.path('worker', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 1, 2);
    await desk.home.says(running, /epoch 1\/2/);
    await desk.server.down();
    await desk.home.says(
      running,
      /Connecting again; the job is not lost|Waiting until it is available again; nothing is lost/,
    );
    await desk.server.up();
    await desk.home.says(running, /Available again/);
    await worker.publish(spec.job_id, { ...MODEL, aliases: [] }, desk.home.path('worker', 'models'));
    desk.server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 0, stderr);
  });
});
