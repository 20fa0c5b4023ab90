import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { execa } from 'execa';
import { z } from 'zod';
import { jobWorkflowId } from '../../protocol/temporal/queues.ts';
import type { StackGpuWorker } from '../../stack/index.ts';
import { damagedVideo, FLIES_CONFIG, fliesLabels, fliesVideo } from '../support/samples.ts';
import { createRoom, runCli, type TestRoom, TrainResult } from '../support/test-room.ts';

const InferResult = z.looseObject({ ok: z.literal(true), job_id: z.string(), predictions: z.array(z.string()) });
const Workers = z.object({ workers: z.array(z.looseObject({ name: z.string(), models: z.array(z.string()) })) });

/** Opens predictions as a researcher's own program would, the video through them. */
const READ = `
import json, sys, sleap_io
labels = sleap_io.load_slp(sys.argv[1])
print(json.dumps({
    "videos": [str(video.filename) for video in labels.videos],
    "picture": list(labels.videos[0][0].shape),
    "frames": sorted(frame.frame_idx for frame in labels),
    "instances": sum(len(frame) for frame in labels),
}))
`;

describe('inference with a shared model, on real parts', function () {
  this.timeout(300_000);
  let room: TestRoom;
  let worker: StackGpuWorker;
  let model: string;
  let clip: string;
  /** A second researcher on another computer, who has only the invite. */
  let her: Record<string, string>;

  before(async () => {
    room = await createRoom();
    const trainer = await room.startWorker('worker-1');
    const out = join(room.folder, 'models');
    const train = ['train', fliesLabels(room.tools), '--config', FLIES_CONFIG, '--alias', 'flies', '-o', out];
    model = TrainResult.parse(await room.json(train)).models[0]?.id ?? '';
    await trainer.stop();

    worker = await room.startWorker('worker-2');
    const { invite } = z.looseObject({ invite: z.string() }).parse(await room.json(['rooms', 'invite']));
    her = { SLEAP_RTC_CONFIG_DIR: join(room.folder, 'her-config') };
    assert.equal((await runCli(['rooms', 'join', invite], her)).exitCode, 0);
    await mkdir(join(room.folder, 'day 1'));
    clip = join(room.folder, 'day 1', 'flies.mp4');
    await copyFile(fliesVideo(room.tools), clip);
  });

  const preds = () => join(room.folder, 'preds');
  const infer = (video: string, ...flags: string[]) =>
    runCli(['infer', video, '-m', 'latest-centroid', '-o', preds(), '--frames', '0-19', '--json', ...flags], her);
  const fetched = async () =>
    (await readFile(worker.logFile, 'utf8')).split('\n').filter((line) => line.includes('"model_fetched"')).length;

  it('a second researcher predicts with it on a worker that downloads it first, and SLEAP can open the predictions', async () => {
    const { exitCode, stdout, stderr } = await infer(clip);
    assert.equal(exitCode, 0, stderr + stdout);
    for (const shown of [
      /No worker has the model on its disk/,
      /Worker worker-2 has the job/,
      /Sent 1\.03 MB in .*B\/s/,
      /20\/20 frames +[\d.]+ frames\/s/,
      /Received/,
    ]) {
      assert.match(stderr, shown);
    }
    const { predictions } = InferResult.parse(JSON.parse(stdout));
    assert.deepEqual(predictions, [join(preds(), 'flies.mp4.predictions.slp')]);
    assert.deepEqual(await readdir(preds()), ['flies.mp4.predictions.slp']);
    const read = JSON.parse((await execa(room.tools.python, ['-c', READ, predictions[0] ?? ''])).stdout);
    assert.deepEqual(read.videos, [clip], 'they name the video by its path on the researcher’s computer');
    assert.deepEqual(read.picture, [384, 384, 1]);
    assert.deepEqual(
      read.frames,
      Array.from({ length: 20 }, (_, frame) => frame),
    );
    assert.ok(read.instances >= 20, `${read.instances} flies`);
  });

  it('the worker reports that it has the model, does not download it again, and no predictions are overwritten', async () => {
    const { workers } = Workers.parse(await room.json(['workers', 'list']));
    assert.deepEqual(
      workers.map(({ name, models }) => [name, models]),
      [['worker-2', [model]]],
    );
    assert.deepEqual((await room.manifest()).models[model]?.available_on_workers, ['worker-1', 'worker-2']);
    assert.equal(await fetched(), 1);

    const { exitCode, stdout, stderr } = await infer(clip);
    assert.equal(exitCode, 0, stderr + stdout);
    assert.match(stderr, /worker-2 has the model on its disk/);
    assert.equal(await fetched(), 1, 'fetched once');
    assert.deepEqual(await readdir(preds()), ['flies.mp4.predictions-2.slp', 'flies.mp4.predictions.slp']);
  });

  it('predictions of a detached command can be downloaded later by anyone in the room', async () => {
    const left = await infer(clip, '--detach');
    assert.equal(left.exitCode, 0, left.stderr);
    const { job_id, predictions } = InferResult.parse(JSON.parse(left.stdout));
    assert.deepEqual(predictions, []);
    await ended(job_id);

    const later = join(room.folder, 'later');
    const got = InferResult.parse(await room.json(['jobs', 'get', job_id, '-o', later]));
    const [file = ''] = got.predictions;
    assert.equal(file, join(later, 'flies.mp4.predictions.slp'));
    const { videos, frames } = JSON.parse((await execa(room.tools.python, ['-c', READ, file])).stdout);
    assert.deepEqual([videos, frames.length], [[clip], 20]);
  });

  it('says in one sentence that a video cannot be read', async () => {
    const damaged = await damagedVideo(room.tools, join(room.folder, 'damaged.mp4'));
    const { exitCode, stdout, stderr } = await infer(damaged);
    assert.equal(exitCode, 2, stderr + stdout);
    const { error } = JSON.parse(stdout);
    assert.equal(error.code, 'VIDEO_INVALID');
    assert.match(error.message, /^damaged\.mp4 cannot be read as a video: [^\n]+\.$/);
    assert.doesNotMatch(stdout + stderr, /Traceback|site-packages/);
    assert.deepEqual(await readdir(join(worker.workDir, 'jobs')), []);
  });

  /** Waits for a job's end without following it. */
  async function ended(jobId: string): Promise<void> {
    const connection = await Connection.connect({ address: room.stack.temporalAddress });
    try {
      await new Client({ connection }).workflow.getHandle(jobWorkflowId(room.id, jobId)).result();
    } finally {
      await connection.close();
    }
  }
});
