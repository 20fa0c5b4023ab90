import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { JobView } from '../../protocol/jobs/job-view.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { type Bucket, readJson } from '../../storage/index.ts';
import { sleapNnOf } from '../faults/process-tree.ts';
import { bucketOf, keysIn } from '../support/bucket.ts';
import { FLIES_CONFIG, fliesLabels } from '../support/samples.ts';
import { createRoom, type TestRoom, TrainResult } from '../support/test-room.ts';

/** Enough that the first worker still trains when the second one has started. */
const EPOCHS = 20;
const Latest = z.object({ snapshots: z.array(z.object({ epochs_done: z.int() })) });

describe('the loss of a worker that trains, without the researcher’s computer', function () {
  this.timeout(300_000);
  let room: TestRoom;
  let bucket: Bucket;
  let job: string;
  /** Epochs that S3 had when the worker died. */
  let uploaded: number;
  let killedAt: number;
  let result: z.infer<typeof TrainResult>;
  const events: { message: JobView; at: number }[] = [];

  before(async () => {
    room = await createRoom();
    bucket = bucketOf(room.stack.s3, room.stack.s3.bucket);
    const neighbour = await room.enter('neighbour', {
      job: (message) => events.push({ message, at: Date.now() }),
    });
    const config = join(room.folder, 'flies.yaml');
    const text = await readFile(FLIES_CONFIG, 'utf8');
    await writeFile(config, text.replace(/max_epochs: \d+/, `max_epochs: ${EPOCHS}`));

    const doomed = await room.startWorker('doomed', { SLEAP_RTC_CHECKPOINT_SECONDS: '0' });
    const left = z
      .object({ job_id: z.string(), staging: z.literal('staged') })
      .parse(await room.json(['train', fliesLabels(room.tools), '--config', config, '--detach']));
    job = left.job_id;
    await room.startWorker('survivor', { SLEAP_RTC_CHECKPOINT_SECONDS: '0', SLEAP_RTC_WARM_TRAINER: '1' });
    do uploaded = await epochsUploaded();
    while (uploaded < 3);
    const pids = [doomed.pid, ...(await sleapNnOf(doomed.pid))];
    killedAt = Date.now();
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    // From another computer of the room: it has neither the data nor the saved job of the first one.
    const elsewhere = { SLEAP_RTC_CONFIG_DIR: join(room.folder, 'elsewhere') };
    const attached = await room.cli(['jobs', 'attach', job, '-o', join(room.folder, 'models'), '--json'], elsewhere);
    assert.equal(attached.exitCode, 0, attached.stderr + attached.stdout);
    assert.match(attached.stderr, /epoch 1\/(\?|20)/, 'the curve is shown from its beginning');
    result = TrainResult.parse(JSON.parse(attached.stdout));
    await neighbour.close();
  });
  after(() => bucket?.s3.destroy());

  async function epochsUploaded(): Promise<number> {
    const key = s3Layout.latestCheckpoints(room.id, job, 0);
    return (await readJson(bucket, key, Latest, { ifDamaged: 'missing' }))?.snapshots[0]?.epochs_done ?? 0;
  }
  const bySurvivor = () => events.filter(({ message }) => message.worker === 'survivor');

  it('is noticed within 15 s', () => {
    const first = bySurvivor()[0];
    assert.ok(first);
    assert.ok(first.at - killedAt <= 15_000, `${first.at - killedAt} ms`);
  });

  it('costs less than 25 s until another worker trains', function () {
    const training = bySurvivor().find(({ message }) => /^epoch|^training/.test(message.detail ?? ''));
    assert.ok(training);
    if (this.test) this.test.title += `: ${((training.at - killedAt) / 1000).toFixed(1)} s`;
    assert.ok(training.at - killedAt <= 25_000, `${training.at - killedAt} ms`);
  });

  it('resumes with the epoch after the last checkpoint in S3', () => {
    const epochs = bySurvivor().flatMap(({ message }) => (message.epoch === undefined ? [] : [message.epoch.epoch]));
    assert.ok(Math.min(...epochs) >= uploaded, `${epochs} after ${uploaded} were uploaded`);
  });

  it('results in one model, with every epoch once in its log and one entry in the registry', async () => {
    const manifest = await room.manifest();
    assert.equal(Object.keys(manifest.models).length, 1);
    const [model] = result.models;
    assert.equal(manifest.models[model?.id ?? '']?.training.epochs, EPOCHS);
    assert.equal(manifest.models[model?.id ?? '']?.trained_on_worker, 'survivor');
    const log = await readFile(join(model?.path ?? '', 'training_log.csv'), 'utf8');
    const epochs = log
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => Number(line.split(',')[0]));
    assert.deepEqual(
      epochs,
      Array.from({ length: EPOCHS }, (_, i) => i),
    );
  });

  it('leaves nothing of the job’s checkpoints and data in S3', async () => {
    for (const prefix of [s3Layout.jobCheckpoints(room.id, job), `${room.id}/datasets/`]) {
      assert.deepEqual(await keysIn(bucket, prefix), []);
    }
  });
});
