import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { Checkpoints, TrainedModel } from '../../../protocol/stored/stored-objects.ts';
import { ensureTools, type Tools } from '../../../stack/index.ts';
import { processesGone } from '../../../stack/testing/processes-gone.ts';
import { startTestS3, type TestS3 } from '../../../test/workflows/s3.ts';
import { claimRun } from '../../checkpoints/index.ts';
import type { Sandbox } from '../../sandbox/index.ts';
import { testSandbox } from '../../sandbox/testing/test-sandbox.ts';
import { activityEnvironment } from '../../testing/activity-environment.ts';
import { createSleapNnActivities, WarmTrainer } from '../index.ts';
import { fliesConfig, fliesJob, testDeps, textOf } from '../testing/flies-job.ts';
import { launchersOf, processesIn } from '../testing/spare-processes.ts';

describe('training with the real sleap-nn', function () {
  this.timeout(300_000); // a minute at most on an idle machine
  let tools: Tools;
  let workDir: string;
  let sandbox: Sandbox;
  let labels: string;
  let storage: TestS3;

  before(async function () {
    this.timeout(900_000);
    tools = await ensureTools({ parts: ['sleap-nn', 'samples'] });
    labels = join(tools.sampleDataDir, 'minimal_instance.pkg.slp');
    storage = await startTestS3();
  });
  after(() => storage?.stop());
  beforeEach(async () => {
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-train-'));
    sandbox = await testSandbox({ python: tools.python, workDir });
  });
  afterEach(() => rm(workDir, { recursive: true, force: true }));

  /** Runs the activity; `env` can cancel it. */
  async function train(input: Awaited<ReturnType<typeof fliesJob>>, env = activityEnvironment('train')) {
    const { deps, published } = testDeps(workDir, sandbox, storage.bucket);
    const activities = createSleapNnActivities(deps);
    const trained = await env.run((args: Parameters<typeof activities.train>[0]) => activities.train(args), {
      input,
      run_index: 0,
    });
    return { trained: trained as TrainedModel, published };
  }

  async function failure(input: Awaited<ReturnType<typeof fliesJob>>): Promise<SleapRtcError> {
    const error = await train(input).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof SleapRtcError, String(error));
    return error;
  }

  it('ends with a model folder that sleap-nn predicts with, reports its progress, and does not run twice', async () => {
    const input = await fliesJob(workDir, { labels });
    const { trained, published } = await train(input);
    assert.equal(trained.model_type, 'centroid');
    assert.equal(trained.epochs, 2);
    assert.equal(trained.stopped_early, false);
    assert.ok(trained.final_loss !== null && trained.final_loss > 0);
    assert.match(trained.model_id, /^[0-9a-f]{8}$/);
    const names = trained.files.map(({ path }) => path);
    for (const name of [
      'best.ckpt',
      'initial_config.yaml',
      'training_config.yaml',
      'training_log.csv',
      'labels_gt.train.0.slp',
    ]) {
      assert.ok(names.includes(name), `${name} in ${names.join(' ')}`);
    }
    assert.ok(
      names.includes('training_config.json') && names.includes('initial_config.json') && !names.includes('last.ckpt'),
    );

    const folder = join(workDir, 'jobs', 'trainjob1', 'models', 'flies.n=1');
    for (const name of names.filter((name) => /\.(yaml|json|csv)$/.test(name))) {
      assert.doesNotMatch(await readFile(join(folder, name), 'utf8'), new RegExp(`${workDir}|\\.\\./work`), name);
    }
    const config = JSON.parse(await readFile(join(folder, 'training_config.json'), 'utf8'));
    assert.deepEqual(config.data_config.train_labels_path, ['minimal_instance.pkg.slp']);

    const epochs = published.flatMap(({ epoch }) => (epoch ? [epoch] : []));
    assert.equal(epochs.at(-1)?.epoch, 2);
    assert.equal(epochs.at(-1)?.max_epochs, 2);
    assert.ok(published.some(({ detail }) => detail === 'loading sleap-nn'));
    assert.match(await textOf(join(workDir, 'jobs', 'trainjob1', 'logs', 'flies.n=1.log')), /Finished training/);

    const again = await train(input);
    assert.deepEqual(again.trained, trained);
    assert.equal(again.published.length, 0, 'nothing was run');

    const clip = join(tools.sampleDataDir, 'centered_pair_small.mp4');
    const out = join(workDir, 'out.slp');
    const predict = [
      '-m',
      'sleap_nn.cli',
      'predict',
      '-i',
      clip,
      '-m',
      folder,
      '-o',
      out,
      '--frames',
      '0-3',
      '--device',
      'cpu',
    ];
    const { exitCode, stderr } = await execa(tools.python, predict, { reject: false });
    assert.equal(exitCode, 0, stderr);
  });

  it('stopped early, saves the best model, and reports a stop that comes before the first epoch', async () => {
    const input = await fliesJob(workDir, { labels, config: fliesConfig({ max_epochs: 400 }) });
    const { deps, published } = testDeps(workDir, sandbox, storage.bucket);
    const activities = createSleapNnActivities(deps);
    const env = activityEnvironment('train');
    let stopped: Promise<void> | undefined;
    env.on('heartbeat', (latest: { epoch: { epoch: number } } | undefined) => {
      if (latest !== undefined) stopped ??= activities.controlTraining({ input, run_index: 0, action: 'stop' });
    });
    const trained = (await env.run((args: Parameters<typeof activities.train>[0]) => activities.train(args), {
      input,
      run_index: 0,
    })) as TrainedModel;
    assert.ok(stopped !== undefined);
    assert.ok(trained.stopped_early && trained.epochs >= 1 && trained.epochs < 50, `${trained.epochs} epochs`);
    assert.ok(trained.files.some(({ path }) => path === 'best.ckpt'));
    assert.ok(published.some(({ detail }) => detail?.startsWith('will stop when its first epoch is done')));
  });

  it('warms up a process for the next run when a training is over, but not after the last run', async () => {
    const input = await fliesJob(workDir, { labels });
    const [run] = input.spec.runs;
    assert.ok(run !== undefined);
    input.spec.runs = [run, { ...run, name: 'second' }];
    const { deps } = testDeps(workDir, sandbox, storage.bucket);
    const warmTrainer = new WarmTrainer({ sandbox, workDir });
    const activities = createSleapNnActivities({ ...deps, warmTrainer });
    const trainRun = (run_index: number) =>
      activityEnvironment('train').run((args: Parameters<typeof activities.train>[0]) => activities.train(args), {
        input,
        run_index,
      });
    try {
      await trainRun(0);
      const spare = await launchersOf(workDir);
      assert.ok(spare.length > 0, 'a spare is being built');
      await trainRun(1);
      await processesGone(spare);
      assert.deepEqual(await launchersOf(workDir), []);
    } finally {
      await warmTrainer.close();
    }
  });

  it('names the key that sleap-nn refuses', async () => {
    const error = await failure(await fliesJob(workDir, { labels, config: fliesConfig({ max_epoch: 3 }) }));
    assert.equal(error.code, 'CONFIG_REFUSED');
    assert.match(error.message, /trainer_config\.max_epoch/);
  });

  it('says which labels are corrupt', async () => {
    const input = await fliesJob(workDir, { labels });
    await truncate(join(workDir, 'jobs', 'trainjob1', 'dataset', 'minimal_instance.pkg.slp'), 20_000);
    const error = await failure(input);
    assert.equal(error.code, 'LABELS_CORRUPT');
    assert.match(error.message, /minimal_instance\.pkg\.slp/);
  });

  it('leaves no sleap-nn if the worker is killed with -9', async () => {
    const input = await fliesJob(workDir, { labels, config: fliesConfig({ max_epochs: 400, save_ckpt: true }) });
    const dataset = join(workDir, 'jobs', input.spec.job_id, 'dataset');
    const config = fliesConfig({ max_epochs: 400, save_ckpt: true });
    config.data_config = { train_labels_path: [basename(labels)], validation_fraction: 0.1 };
    await writeFile(join(dataset, 'direct.yaml'), JSON.stringify(config));
    const waiter = fileURLToPath(new URL('../testing/start-and-wait.ts', import.meta.url));
    const worker = execa(process.execPath, [waiter, tools.python, 'true', dataset, 'train', 'direct.yaml'], {
      reject: false,
    });
    while (!(await textOf(join(dataset, 'log'))).includes('Starting training loop')) {
      await new Promise((resolve) => setTimeout(resolve, 100)); // poll: the file gives no notice when it grows
    }
    const pids = await processesIn(dataset);
    assert.ok(pids.length > 0, 'sleap-nn was running');
    worker.kill('SIGKILL');
    await worker;
    await processesGone(pids);
  });

  it('leaves no process if it is cancelled, and a retry goes on from its last checkpoint', async () => {
    const input = await fliesJob(workDir, { labels, config: fliesConfig({ max_epochs: 400 }) });
    const env = activityEnvironment('train');
    let pids: number[] = [];
    env.on('heartbeat', (latest: { epoch: { epoch: number } } | undefined) => {
      if ((latest?.epoch.epoch ?? 0) < 2 || pids.length > 0) return;
      void processesIn(workDir).then((found) => {
        pids = found;
        env.cancel();
      });
    });
    await assert.rejects(train(input, env), (error: Error) => error.name === 'CancelledFailure');
    assert.ok(pids.length > 0, 'sleap-nn was running');
    await processesGone(pids);

    const dataset = join(workDir, 'jobs', 'trainjob1', 'dataset');
    await writeFile(
      join(dataset, 'centroid.yaml'),
      JSON.stringify(fliesConfig({ max_epochs: 400, early_stopping: { patience: 0, min_delta: 1 } })),
    );
    const { trained } = await train(input);
    const work = join(workDir, 'jobs', 'trainjob1', 'work', 'run-0');
    const second = JSON.parse(await readFile(join(work, 'attempt-2', 'attempt.json'), 'utf8'));
    assert.equal(second.resumed_from, 1);
    assert.ok(trained.epochs > 2 && trained.stopped_early);
    const log = await readFile(join(workDir, 'jobs', 'trainjob1', 'models', 'flies.n=1', 'training_log.csv'), 'utf8');
    assert.equal(log.trim().split('\n').length, trained.epochs + 1, 'the log has every epoch once');
  });

  it('ends when a later attempt has the run: it trains no more and uploads nothing more', async () => {
    const input = await fliesJob(workDir, { labels, config: fliesConfig({ max_epochs: 4_000 }) });
    const { deps } = testDeps(workDir, sandbox, storage.bucket);
    const activities = createSleapNnActivities({ ...deps, checkpointEveryMs: 0 });
    const env = activityEnvironment('train');
    const { room_id: room } = input.context;
    const place = { bucket: storage.bucket, room, jobId: input.spec.job_id, runIndex: 0 };
    const term = env.context.info.currentAttemptScheduledTimestampMs + 1;
    const signal = AbortSignal.timeout(60_000);
    const successor = Promise.withResolvers<Checkpoints>();
    env.on('heartbeat', (latest: { epoch: { epoch: number } } | undefined) => {
      if (latest !== undefined) successor.resolve(claimRun({ place, term, signal }));
    });
    const training = env.run((args: Parameters<typeof activities.train>[0]) => activities.train(args), {
      input,
      run_index: 0,
    });
    await assert.rejects(training, { code: 'WORKER_LOST' });
    assert.deepEqual(await processesIn(workDir), []);
    assert.deepEqual(await claimRun({ place, term, signal }), await successor.promise);
  });
});
