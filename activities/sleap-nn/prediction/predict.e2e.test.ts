import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { InferenceSpec, JobInput } from '../../../protocol/jobs/job.ts';
import type { TrainedModel } from '../../../protocol/stored/stored-objects.ts';
import { ensureTools, type Tools } from '../../../stack/index.ts';
import { startTestS3, type TestS3 } from '../../../test/workflows/s3.ts';
import type { PredictionSummary } from '../../contract.ts';
import type { Sandbox } from '../../sandbox/index.ts';
import { filesWith, PRY, placeSecrets, type Secrets } from '../../sandbox/testing/secrets.ts';
import { testSandbox } from '../../sandbox/testing/test-sandbox.ts';
import { activityEnvironment } from '../../testing/activity-environment.ts';
import { createSleapNnActivities, WarmTrainer } from '../index.ts';
import { fliesJob, testDeps } from '../testing/flies-job.ts';
import { launchersOf, warmReports } from '../testing/spare-processes.ts';

const CLIP = 'centered_pair_small.mp4';
/** A model that runs code when it is loaded: it tries to take the worker's secrets, and writes what it got beside the predictions. */
const MAKE_EVIL_MODEL = `
import pickle, sys
pry, path, wanted = sys.argv[1:]
code = open(pry).read().split("if __name__")[0] + f'''
_found = pry(json.loads({wanted!r}))
open(os.path.join(os.environ["TMPDIR"], "..", "found.json"), "w").write(json.dumps(_found))
print(json.dumps(_found), file=sys.stderr)
print(json.dumps(_found))
'''
class Evil:
    def __reduce__(self):
        return exec, (code, {"__name__": "evil"})
with open(path, "wb") as file:
    pickle.dump(Evil(), file)
`;
/** Labels whose points are the bytes of another file (HDF5's external raw storage), for \`train\`. */
const MAKE_EVIL_LABELS = `
import sys, h5py
labels, target = sys.argv[1:]
with h5py.File(labels, "a") as file:
    points = file["points"]
    dtype, shape, attributes = points.dtype, points.shape, dict(points.attrs)
    del file["points"]
    made = file.create_dataset("points", shape, dtype=dtype, external=[(target, 0, shape[0] * dtype.itemsize)])
    made.attrs.update(attributes)
`;

/** Reads predictions as a researcher's own program would. */
const READ = `
import json, sys, sleap_io
labels = sleap_io.load_slp(sys.argv[1], open_videos=False)
print(json.dumps({
    "videos": [video.filename for video in labels.videos],
    "frames": len(labels),
    "models": labels.provenance["model_paths"],
    "source": labels.provenance["source_file"],
}))
`;

describe('predicting with the real sleap-nn', function () {
  this.timeout(300_000); // a minute at most on an idle machine
  let tools: Tools;
  let workDir: string;
  let sandbox: Sandbox;
  let trained: TrainedModel;
  let warmTrainer: WarmTrainer;
  let storage: TestS3;

  before(async function () {
    this.timeout(900_000);
    tools = await ensureTools({ parts: ['sleap-nn', 'samples'] });
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-predict-'));
    sandbox = await testSandbox({ python: tools.python, workDir });
    const { logger, nextPid } = warmReports();
    warmTrainer = new WarmTrainer({ sandbox, workDir, logger });
    warmTrainer.ensureSpare();
    await nextPid();
    storage = await startTestS3();
    const input = await fliesJob(workDir, { labels: join(tools.sampleDataDir, 'minimal_instance.pkg.slp') });
    const { deps } = testDeps(workDir, sandbox, storage.bucket);
    const { train } = createSleapNnActivities({ ...deps, warmTrainer });
    const args = { input, run_index: 0 };
    trained = (await activityEnvironment('train').run((a: typeof args) => train(a), args)) as TrainedModel;
    assert.deepEqual(await launchersOf(workDir), [], 'the spare was used');
    await cp(
      join(workDir, 'jobs', input.spec.job_id, 'models', trained.run),
      join(workDir, 'models', trained.model_id),
      {
        recursive: true,
      },
    );
  });
  after(async () => {
    await warmTrainer?.close();
    await storage?.stop();
    await rm(workDir, { recursive: true, force: true });
  });

  async function job(jobId: string, spec: Partial<InferenceSpec> = {}): Promise<JobInput<InferenceSpec>> {
    const dataset = join(workDir, 'jobs', jobId, 'dataset');
    await mkdir(dataset, { recursive: true });
    await copyFile(join(tools.sampleDataDir, CLIP), join(dataset, CLIP));
    const { model_id } = trained;
    await cp(join(workDir, 'models', model_id), join(workDir, 'jobs', jobId, 'used-models', model_id), {
      recursive: true,
    });
    return {
      spec: {
        kind: 'inference',
        job_id: jobId,
        name: CLIP,
        files: [{ path: spec.input ?? CLIP, size_bytes: 1, sha256: 'a'.repeat(64) }],
        requirements: {},
        stage: true,
        models: [trained.model_id],
        input: CLIP,
        frames: '0-19',
        tracking: false,
        ...spec,
      },
      context: { room_id: 'lab-flies', user_id: 'tester', submitted_at: new Date().toISOString() },
    };
  }

  async function predict(input: JobInput<InferenceSpec>) {
    const { deps, published } = testDeps(workDir, sandbox, storage.bucket);
    const activities = createSleapNnActivities(deps);
    const args = { input };
    const summary = await activityEnvironment('predict').run((a: typeof args) => activities.predict(a), args);
    return { summary: summary as PredictionSummary, published };
  }

  it('writes predictions that name the researcher’s video, reports frames and rate, and does not run twice', async () => {
    const source_path = '/home/ü/day 1/clip "A".mp4';
    const input = await job('predictjob1', { source_path });
    const { summary, published } = await predict(input);
    assert.equal(summary.frames, 20);
    const last = published.flatMap(({ frames }) => (frames ? [frames] : [])).at(-1);
    assert.equal(last?.frames, 20);
    assert.equal(last?.total_frames, 20);
    assert.ok((last?.frames_per_s ?? 0) > 0);
    const results = join(workDir, 'jobs', 'predictjob1', 'results');
    assert.deepEqual(await readdir(results), [`${CLIP}.predictions.slp`]);
    const { stdout } = await execa(tools.python, ['-c', READ, join(results, `${CLIP}.predictions.slp`)]);
    assert.deepEqual(JSON.parse(stdout), {
      videos: [source_path],
      frames: 20,
      models: [trained.model_id],
      source: source_path,
    });

    const again = await predict(input);
    assert.deepEqual(again.summary, summary);
    assert.equal(again.published.length, 0);
  });

  it('says what is wrong with a file that is not a video', async () => {
    const input = await job('predictjob2');
    await writeFile(join(workDir, 'jobs', 'predictjob2', 'dataset', CLIP), 'no video');
    await assert.rejects(predict(input), (error: unknown) => {
      assert.ok(error instanceof SleapRtcError);
      assert.equal(error.code, 'VIDEO_INVALID', error.message);
      assert.match(error.message, /^centered_pair_small\.mp4 cannot be read as a video: /);
      assert.doesNotMatch(error.message, new RegExp(workDir));
      return true;
    });
    assert.deepEqual(await readdir(join(workDir, 'jobs', 'predictjob2', 'results')), []);
  });

  it('fails if the video has none of the wanted frames', async () => {
    const input = await job('predictjob3', { frames: '2000-2010' });
    await assert.rejects(predict(input), { code: 'USAGE', message: `${CLIP} has none of the frames 2000-2010.` });
  });

  describe('with data that strangers have made', () => {
    let secrets: Secrets;

    before(async function () {
      if (!sandbox.isolates) this.skip();
      secrets = await placeSecrets(workDir);
    });
    after(() => secrets?.close());

    it('a model that runs code gets none of the worker’s secrets, and no network', async () => {
      const input = await job('predictjob4');
      const root = join(workDir, 'jobs/predictjob4');
      const cached = join(root, 'used-models', 'deadbeef');
      await cp(join(workDir, 'models', trained.model_id), cached, { recursive: true });
      const evil = ['-c', MAKE_EVIL_MODEL, PRY, join(cached, 'best.ckpt'), secrets.wanted(join(root, 'work/predict'))];
      await execa(tools.python, evil);
      input.spec.models = ['deadbeef'];
      await assert.rejects(predict(input));
      const found = JSON.parse(await readFile(join(root, 'work/predict/found.json'), 'utf8')) as { network: string };
      assert.match(found.network, /^refused/);
      assert.deepEqual(await filesWith(secrets.canary, root), []);
      assert.equal(secrets.connections(), 0);
      await secrets.assertUnchanged();
    });

    it('labels whose points are the bytes of a file in the worker’s home do not train a model on them', async () => {
      const input = await fliesJob(workDir, {
        labels: join(tools.sampleDataDir, 'minimal_instance.pkg.slp'),
        jobId: 'evillabels1',
      });
      const root = join(workDir, 'jobs/evillabels1');
      const labels = join(root, 'dataset/minimal_instance.pkg.slp');
      await execa(tools.python, ['-c', MAKE_EVIL_LABELS, labels, secrets.files[0] ?? '']);
      const { train } = createSleapNnActivities(testDeps(workDir, sandbox, storage.bucket).deps);
      const args = { input, run_index: 0 };
      await assert.rejects(activityEnvironment('train').run((a: typeof args) => train(a), args));
      assert.deepEqual(await filesWith(secrets.canary, root), []);
    });
  });
});
