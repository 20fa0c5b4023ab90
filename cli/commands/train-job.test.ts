import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { parse } from 'yaml';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { JobSpec } from '../../protocol/job.ts';
import { datasetHash, modelId } from '../../protocol/model-id.ts';
import { readTrainingConfig } from '../../protocol/sleap-config.ts';
import { FakeServer, ROOM, ROOM_KEY, TOKEN } from '../testing/fake-server.ts';
import { FakeWorker } from '../testing/fake-worker.ts';
import { configYaml, EMBEDDED, hdf5 } from '../testing/fixtures.ts';
import { TestHome } from '../testing/run-cli.ts';

const MODEL = {
  id: 'a3f5e8c9',
  model_type: 'single_instance',
  aliases: ['flies', 'latest-single_instance'],
  run: 'single',
} as const;
const FILES = ['single/best.ckpt', 'single/training_config.yaml', 'single/sub/labels_gt.slp'];

describe('sleap-rtc train, with a server and a worker', function () {
  this.timeout(60_000);
  let home: TestHome;
  let server: FakeServer;
  const workers: FakeWorker[] = [];

  beforeEach(async () => {
    home = await TestHome.make();
    server = await FakeServer.start();
    Object.assign(home.env, {
      SLEAP_RTC_SERVER: server.url,
      SLEAP_RTC_ROOM: ROOM,
      SLEAP_RTC_TOKEN: TOKEN,
      SLEAP_RTC_ROOM_KEY: ROOM_KEY,
    });
    const labels = hdf5({ size: 300_000, text: EMBEDDED });
    randomBytes(290_000).copy(labels, 8192);
    await writeFile(home.path('flies.pkg.slp'), labels);
    await writeFile(home.path('single.yaml'), configYaml());
  });
  afterEach(async () => {
    for (const worker of workers.splice(0)) await worker[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
    await home[Symbol.asyncDispose]();
  });

  const train = (...flags: string[]) => home.start('train', 'flies.pkg.slp', '--config', 'single.yaml', ...flags);

  async function joined(name?: string): Promise<FakeWorker> {
    const worker = await FakeWorker.join(server, name);
    workers.push(worker);
    return worker;
  }

  /** Does what a worker does, up to the point where results can be sent. */
  async function untilPublished(worker: FakeWorker): Promise<JobSpec> {
    const spec = await server.submitted();
    await worker.receive(spec, home.path('pod', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 2, 2);
    await worker.publish(spec.job_id, { ...MODEL, aliases: [...MODEL.aliases] }, home.path('pod', 'models'));
    return spec;
  }

  it('sends the data, shows the epochs, brings the model back, and ends', async () => {
    const worker = await joined();
    const running = train('--alias', 'flies', '--tag-model', 'v1', '--notes', 'first');
    const spec = await untilPublished(worker);
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
    await worker.send(spec.job_id, home.path('pod', 'models'), FILES);
    server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stdout, stderr } = await running;

    assert.equal(exitCode, 0, stderr);
    assert.deepEqual(
      await readFile(home.path('pod/dataset/flies.pkg.slp')),
      await readFile(home.path('flies.pkg.slp')),
    );
    assert.deepEqual(
      await readFile(home.path('models/single/best.ckpt')),
      await readFile(home.path('pod/models/single/best.ckpt')),
    );
    assert.deepEqual(await readdir(home.path('models')), ['single']);
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

  it('with --json prints one object on stdout, with where the model is', async () => {
    const worker = await joined();
    const running = train('--json');
    const spec = await untilPublished(worker);
    await worker.send(spec.job_id, home.path('pod', 'models'), FILES);
    server.update(spec.job_id, { phase: 'done' });
    const result = JSON.parse((await running).stdout);
    assert.equal(result.ok, true);
    assert.equal(result.job_id, spec.job_id);
    assert.equal(result.temporal_ui_url, `http://temporal.test/${spec.job_id}`);
    assert.deepEqual(result.models, [
      { id: MODEL.id, model_type: MODEL.model_type, aliases: MODEL.aliases, path: 'models/single' },
    ]);
    assert.equal(typeof result.seconds.total, 'number');
  });

  it('never overwrites a model folder that is there', async () => {
    await mkdir(home.path('models/single'), { recursive: true });
    await writeFile(home.path('models/single/mine.txt'), 'precious');
    const worker = await joined();
    const running = train();
    const spec = await untilPublished(worker);
    await worker.send(spec.job_id, home.path('pod', 'models'), FILES);
    server.update(spec.job_id, { phase: 'done' });
    assert.equal((await running).exitCode, 0);
    assert.deepEqual(await readdir(home.path('models/single')), ['mine.txt']);
    assert.ok((await readdir(home.path('models/single-2'))).includes('best.ckpt'));
  });

  it('fetches the model from the storage where it cannot come over WebRTC', async () => {
    const worker = await joined();
    const running = train('-o', 'out/here');
    const spec = await untilPublished(worker);
    server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /from the room’s storage/);
    assert.deepEqual(await readdir(home.path('out/here')), ['single']);
    assert.deepEqual(
      await readFile(home.path('out/here/single/best.ckpt')),
      await readFile(home.path('pod/models/single/best.ckpt')),
    );
  });

  it('does not keep a model from the storage that is not the one published', async () => {
    server.damage = (content) => Buffer.concat([content.subarray(1), Buffer.from('!')]);
    const worker = await joined();
    const running = train();
    const spec = await untilPublished(worker);
    server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 3, stderr);
    assert.match(stderr, /\[INTEGRITY\]/);
    assert.deepEqual(await readdir(home.path('models')), []);
  });

  it('says that no worker is in the room, waits, and goes on when one comes', async () => {
    const running = train();
    const spec = await server.submitted();
    await home.says(running, /No worker is in the room lab-mice; waiting/);
    const worker = await joined();
    await worker.receive(spec, home.path('pod', 'dataset'));
    server.update(spec.job_id, {
      phase: 'failed',
      error: { code: 'CONFIG_REFUSED', message: 'trainer_config.x is not a key.', remedy: 'Fix it.' },
    });
    const { exitCode, stderr } = await running;
    // The job's own code decides.
    assert.equal(exitCode, 2);
    assert.match(stderr, /Error: trainer_config\.x is not a key\. \[CONFIG_REFUSED\]\nFix it\./);
  });

  it('sends nothing to a worker with another key, and says who was refused', async () => {
    const stranger = await FakeWorker.join(server, 'gpu-1', 'worker', Buffer.alloc(32, 'other').toString('base64url'));
    workers.push(stranger);
    const running = train();
    const spec = await server.submitted();
    await assert.rejects(stranger.receive(spec, home.path('pod', 'dataset')), { code: 'PEER_NOT_PROVEN' });
    await home.says(running, /A connection was refused: gpu-1 and cli-.* the same room key, so no data was moved/);
    assert.ok(!(await readdir(home.path())).includes('pod'), 'nothing has come to the worker');
    server.update(spec.job_id, {
      phase: 'failed',
      error: { code: 'PEER_NOT_PROVEN', message: 'No key.', remedy: 'Use the same invite.' },
    });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 4);
    assert.doesNotMatch(stderr, /Sent /);
  });

  it('waits as long as --wait says, then cancels the job and exits with 6', async () => {
    const { exitCode, stderr } = await train('--wait', '0.02');
    assert.equal(exitCode, 6, stderr);
    assert.match(stderr, /No worker is in the room lab-mice; the time of --wait is over.*\[NO_WORKER\]/);
    const spec = await server.submitted();
    assert.equal(server.jobs.get(spec.job_id)?.status.phase, 'cancelled');
  });

  it('submits with the priority that was asked for and with none otherwise', async () => {
    await train('--wait', '0.02');
    assert.equal((await server.submitted()).priority, undefined);
    await train('--wait', '0.02', '--priority', '1', '--again');
    assert.equal([...server.jobs.values()].at(-1)?.spec?.priority, 1);
    assert.equal((await train('--priority', '6')).exitCode, 2);
  });

  it('says that no worker meets what was asked for', async () => {
    await joined();
    const { exitCode, stderr } = await train('--wait', '0.02', '--min-gpu-memory', '80000');
    assert.equal(exitCode, 6);
    assert.match(stderr, /None of the 1 worker in the room lab-mice has what the job asks for/);
    const other = await train('--wait', '0.02', '--worker', 'gpu-9');
    assert.match(other.stderr, /The worker gpu-9 is not in the room/);
  });

  it('submits once, also if the answer is lost on the way', async () => {
    server.lostReplies = 2;
    const { stderr } = await train('--wait', '0.02');
    assert.equal(server.requests.filter((request) => request.endsWith('/jobs')).length, 3);
    assert.equal(server.jobs.size, 1, stderr);
  });

  it('does not send or submit what the room has already', async () => {
    const { config } = readTrainingConfig(parse(configYaml()), 'single.yaml');
    const { createHash } = await import('node:crypto');
    const sha256 = createHash('sha256')
      .update(await readFile(home.path('flies.pkg.slp')))
      .digest('hex');
    const id = modelId(config, datasetHash([sha256]));
    server.manifest.models[id] = {
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
    const { exitCode, stderr } = await train();
    assert.equal(exitCode, 2);
    assert.match(
      stderr,
      new RegExp(`already has a model of this config and data: ${id} .*\\[MODEL_EXISTS\\]\n.*--again`),
    );
    assert.equal(server.jobs.size, 0);
    await train('--again', '--wait', '0.02');
    assert.equal(server.jobs.size, 1);
  });

  it('unknown room, expired room, wrong token: exit 4 and nothing submitted', async () => {
    home.env.SLEAP_RTC_TOKEN = 'another-token';
    const wrong = await train();
    assert.equal(wrong.exitCode, 4);
    assert.match(wrong.stderr, /\[TOKEN_REFUSED\]/);
    const unknown = await train('--room', 'no-such-room');
    assert.equal(unknown.exitCode, 4);
    assert.match(unknown.stderr, /no-such-room\. \[ROOM_UNKNOWN\]/);
    server.refusal = new SleapRtcError('ROOM_EXPIRED', 'The room lab-mice has expired.');
    const expired = await train();
    assert.equal(expired.exitCode, 4);
    assert.match(expired.stderr, /rooms open/);
    assert.equal(server.jobs.size, 0);
  });

  it('outlives a server that restarts while it trains, and says so', async () => {
    const worker = await joined();
    const running = train();
    const spec = await server.submitted();
    await worker.receive(spec, home.path('pod', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 1, 2);
    await home.says(running, /epoch 1\/2/);
    await server.down();
    await home.says(running, /The job is not lost|the job is not lost/);
    await server.up();
    await home.says(running, /Back again/);
    await worker.publish(spec.job_id, { ...MODEL, aliases: [] }, home.path('pod', 'models'));
    server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 0, stderr);
  });

  it('serves nobody who is not a worker, whatever they say', async () => {
    const stranger = await FakeWorker.join(server, 'stranger', 'client');
    workers.push(stranger);
    const running = train();
    const spec = await server.submitted();
    await assert.rejects(stranger.receive(spec, home.path('stolen')));
    server.update(spec.job_id, { phase: 'cancelled' });
    const { exitCode, stderr } = await running;
    assert.equal(exitCode, 7);
    assert.match(stderr, /stranger is no worker/);
    assert.deepEqual(
      (await readdir(home.path('stolen'))).filter((name) => name.endsWith('.slp')),
      [],
    );
  });

  it('tells the researcher when they may close their computer', async () => {
    const worker = await joined();
    const running = train();
    const spec = await server.submitted();
    await worker.receive(spec, home.path('pod', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 1, 2);
    await home.says(running, /epoch 1\/2/);
    await worker.staged(spec.job_id);
    await home.says(running, /you may close this computer/);
    server.update(spec.job_id, { phase: 'cancelled' });
    await running;
  });

  it('with --detach leaves when the data is staged, not when it is across; jobs attach brings the model later', async () => {
    const worker = await joined();
    const running = train('--detach');
    const spec = await server.submitted();
    await worker.receive(spec, home.path('pod', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 1, 2);
    await home.says(running, /epoch 1\/2/);
    await worker.staged(spec.job_id);
    const left = await running;
    assert.equal(left.exitCode, 0, left.stderr);
    assert.match(left.stdout, /does not need the researcher’s computer/);
    assert.match(left.stdout, new RegExp(`jobs attach ${spec.job_id}`));

    const attached = home.start('jobs', 'attach', spec.job_id, '-o', 'later');
    await home.says(attached, /Training/);
    await worker.publish(spec.job_id, { ...MODEL, aliases: [] }, home.path('pod', 'models'));
    await worker.send(spec.job_id, home.path('pod', 'models'), FILES);
    server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await attached;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /Received/);
    assert.deepEqual(await readdir(home.path('later')), ['single']);
  });

  it('killed before the data is across, jobs attach serves it and brings the model where it was wanted', async () => {
    const running = train('-o', 'wanted');
    const spec = await server.submitted();
    await home.says(running, /No worker/);
    running.kill('SIGKILL');
    await running;
    const attached = home.start('jobs', 'attach', spec.job_id);
    await home.says(attached, /No worker/);
    const worker = await joined();
    await untilPublished(worker);
    server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await attached;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /Sent 30\d kB/);
    assert.deepEqual(await readdir(home.path('wanted')), ['single']);
    assert.deepEqual(await readdir(home.path('config', 'jobs')), []);
  });

  it('with --detach --no-stage leaves when the data is across, says what that means, and jobs attach serves it again', async () => {
    const lost = await joined('gpu-lost');
    const running = train('--detach', '--no-stage');
    const spec = await server.submitted();
    assert.equal(spec.stage, false);
    server.update(spec.job_id, { staging: 'off' });
    await lost.receive(spec, home.path('pod-lost'));
    const left = await running;
    assert.equal(left.exitCode, 0);
    assert.match(left.stderr, /stays on the worker \(--no-stage\): if that is lost, the job waits for this computer/);
    assert.match(left.stdout, /if that is lost, the job waits for the researcher’s computer/);
    await lost.epochs(spec.job_id, 'single', 1, 2);
    const attached = home.start('jobs', 'attach', spec.job_id);
    await home.says(attached, /Training/);
    const worker = await joined();
    await untilPublished(worker);
    server.update(spec.job_id, { phase: 'done' });
    const { exitCode, stderr } = await attached;
    assert.equal(exitCode, 0, stderr);
    assert.match(stderr, /Worker gpu-1 goes on with the job/);
    assert.deepEqual(await readdir(home.path('models')), ['single']);
  });

  it('jobs attach looking on from another machine does not stand in the way of who has the data', async () => {
    const running = train();
    const spec = await server.submitted();
    await home.says(running, /No worker/);
    home.env.SLEAP_RTC_CONFIG_DIR = home.path('another-machine');
    const onlooker = home.start('jobs', 'attach', spec.job_id, '-o', 'elsewhere');
    await home.says(onlooker, /data is not on this machine/);
    const worker = await joined();
    await untilPublished(worker);
    server.update(spec.job_id, { phase: 'done' });
    assert.equal((await running).exitCode, 0);
    assert.equal((await onlooker).exitCode, 0);
    assert.deepEqual(await readdir(home.path('elsewhere')), ['single']);
  });

  describe('Ctrl-C on a terminal', () => {
    before(async function () {
      const found = await execa('script', ['--version'], { reject: false });
      if (found.failed || !found.stdout.includes('util-linux')) this.skip();
    });

    async function interrupted(...keys: string[]) {
      const running = home.startOnTerminal('train', 'flies.pkg.slp', '--config', 'single.yaml');
      const spec = await server.submitted();
      await home.says(running, /No worker is in the room/);
      running.stdin.write(KEY.ctrlC);
      await home.says(running, /What shall become of the job/);
      for (const key of keys) running.stdin.write(key);
      return { running, spec };
    }

    it('asks, and cancels', async () => {
      const { running, spec } = await interrupted(KEY.down, KEY.down, KEY.enter);
      const { exitCode, stdout } = await running;
      assert.equal(exitCode, 7, stdout);
      assert.match(stdout, /is cancelled, as you asked/);
      assert.equal(server.jobs.get(spec.job_id)?.status.phase, 'cancelled');
    });

    it('asks, and detaches', async () => {
      const { running, spec } = await interrupted(KEY.down, KEY.enter);
      const { exitCode, stdout } = await running;
      assert.equal(exitCode, 130, stdout);
      assert.match(stdout, /waits for its data/);
      assert.equal(server.jobs.get(spec.job_id)?.status.phase, 'queued');
    });

    it('asks, and goes on', async () => {
      const { running, spec } = await interrupted(KEY.enter);
      const worker = await joined();
      await worker.receive(spec, home.path('pod', 'dataset'));
      await worker.publish(spec.job_id, { ...MODEL, aliases: [] }, home.path('pod', 'models'));
      server.update(spec.job_id, { phase: 'done' });
      assert.equal((await running).exitCode, 0);
    });

    it('pressed again while it asks, ends at once', async () => {
      const { running, spec } = await interrupted(KEY.ctrlC);
      assert.equal((await running).exitCode, 130);
      assert.equal(server.jobs.get(spec.job_id)?.status.phase, 'queued');
    });
  });

  describe('Ctrl-C without a terminal', () => {
    it('before the data is across cancels the job, and says so', async () => {
      const running = train();
      const spec = await server.submitted();
      await home.says(running, /No worker/);
      running.kill('SIGINT');
      const { exitCode, stderr } = await running;
      assert.equal(exitCode, 7, stderr);
      assert.match(stderr, /Cancelling job .*\n.*is cancelled, as you asked\. \[JOB_CANCELLED\]/);
      assert.equal(server.jobs.get(spec.job_id)?.status.phase, 'cancelled');
    });

    it('while it trains detaches: the job goes on', async () => {
      const worker = await joined();
      const running = train();
      const spec = await server.submitted();
      await worker.receive(spec, home.path('pod', 'dataset'));
      await worker.epochs(spec.job_id, 'single', 1, 2);
      await home.says(running, /epoch 1\/2/);
      running.kill('SIGINT');
      const { exitCode, stderr } = await running;
      assert.equal(exitCode, 130, stderr);
      assert.match(
        stderr,
        new RegExp(
          `Detached from job ${spec.job_id}, which goes on; .*waits for this computer.*\\. \\[INTERRUPTED\\]\n.*jobs attach`,
        ),
      );
      assert.equal(server.jobs.get(spec.job_id)?.status.phase, 'training');
    });

    it('does what --on-interrupt says', async () => {
      const worker = await joined();
      const running = train('--on-interrupt', 'cancel');
      const spec = await server.submitted();
      await worker.receive(spec, home.path('pod', 'dataset'));
      await worker.epochs(spec.job_id, 'single', 1, 2);
      await home.says(running, /epoch 1\/2/);
      running.kill('SIGTERM');
      assert.equal((await running).exitCode, 7);
      assert.equal(server.jobs.get(spec.job_id)?.status.phase, 'cancelled');
    });

    it('a second time ends at once', async () => {
      const running = train();
      await server.submitted();
      await home.says(running, /No worker/);
      // Nothing answers the cancellation.
      await server.down();
      running.kill('SIGINT');
      await home.says(running, /Cancelling/);
      running.kill('SIGINT');
      const { exitCode, stderr } = await running;
      assert.equal(exitCode, 130);
      assert.match(stderr, /Stopped at once/);
    });

    it('leaves nothing of an unpacked package behind', async () => {
      const running = train();
      await server.submitted();
      await home.says(running, /No worker/);
      running.kill('SIGINT');
      await running;
      assert.deepEqual((await readdir(home.folder)).sort(), ['config', 'flies.pkg.slp', 'single.yaml']);
    });
  });
});

/** A key as a terminal sends it. */
const KEY = { ctrlC: '\u0003', down: '\u001b[B', enter: '\r' };
