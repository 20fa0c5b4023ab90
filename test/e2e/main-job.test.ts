import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { z } from 'zod';
import type { JobView } from '../../protocol/jobs/job-view.ts';
import { jobWorkflowId } from '../../protocol/temporal/queues.ts';
import type { PeerPayload } from '../../protocol/wire/peer-messages.ts';
import type { Bucket } from '../../storage/index.ts';
import { bucketOf, keysIn } from '../support/bucket.ts';
import { FLIES_CONFIG, fliesLabels } from '../support/samples.ts';
import { createRoom, type TestRoom, TrainResult } from '../support/test-room.ts';

describe('the main job, on real parts', function () {
  this.timeout(300_000);
  let room: TestRoom;
  let bucket: Bucket;
  let result: z.infer<typeof TrainResult>;
  let shown: string;
  /** What another peer of the room received meanwhile. */
  const received: PeerPayload[] = [];
  const seen: JobView[] = [];

  before(async () => {
    room = await createRoom();
    bucket = bucketOf(room.stack.s3, room.stack.s3.bucket);
    await room.startWorker('worker-1', { SLEAP_RTC_WARM_TRAINER: '1' });
    const neighbour = await room.enter('neighbour', {
      message: (payload) => received.push(payload),
      job: (job) => seen.push(job),
    });
    const out = join(room.folder, 'models');
    const labels = fliesLabels(room.tools);
    const command = ['train', labels, '--config', FLIES_CONFIG, '--alias', 'flies', '-o', out, '--json'];
    const ended = await room.cli(command);
    shown = ended.stderr;
    assert.equal(ended.exitCode, 0, ended.stderr + ended.stdout);
    result = TrainResult.parse(JSON.parse(ended.stdout));
    await neighbour.close();
  });
  after(() => bucket.s3.destroy());

  const model = () => {
    const [first] = result.models;
    assert.ok(first);
    return first;
  };

  it('publishes the model in the room’s manifest with every field of the schema and both aliases', async () => {
    const manifest = await room.manifest();
    const entry = manifest.models[model().id];
    const seed = [
      'id',
      'alias',
      'model_type',
      'trained_at',
      'trained_by',
      'trained_on_worker',
      's3_path',
      'checkpoint_path',
    ];
    const rest = ['size_bytes', 'available_on_workers', 'notes', 'tags', 'training'];
    for (const field of [...seed, ...rest]) assert.ok(Object.hasOwn(entry ?? {}, field), field);
    assert.equal(manifest.version, '1.0');
    assert.equal(entry?.alias, 'flies');
    assert.equal(entry?.trained_on_worker, 'worker-1');
    assert.equal(entry?.training.epochs, 5);
    assert.deepEqual(manifest.aliases, { flies: model().id, 'latest-centroid': model().id });
  });

  it('believes the worker’s model, since it is the published one', () => {
    assert.match(shown, /Received/);
    assert.doesNotMatch(shown, /refused|Downloading/);
  });

  it('stores the model in S3 under the layout’s names, and the same bytes on the researcher’s disk', async () => {
    const prefix = `${room.id}/models/${model().id}/`;
    const names = (await keysIn(bucket, prefix)).map((key) => key.slice(prefix.length));
    const wanted = [
      'best.ckpt',
      'training_config.json',
      'initial_config.json',
      'training_config.yaml',
      'initial_config.yaml',
    ];
    for (const name of [...wanted, 'training_log.csv', 'files.json']) assert.ok(names.includes(name), name);
    for (const name of wanted) {
      const stored = await (await bucket.get(prefix + name))?.bytes();
      assert.equal(sha256(stored ?? ''), sha256(await readFile(join(model().path, name))), name);
    }
    JSON.parse(await readFile(join(model().path, 'training_config.json'), 'utf8'));
  });

  it('shows the transfer and every epoch with losses while it runs', () => {
    assert.match(shown, /Sent 4\d\.\d kB/);
    for (const epoch of [1, 2, 3, 4, 5]) assert.match(shown, new RegExp(`epoch ${epoch}/5 .*val loss \\d`));
  });

  it('reports the job’s progress and its end to everyone in the room', () => {
    const epochs = seen.map(({ epoch }) => epoch?.epoch);
    assert.ok(epochs.includes(5));
    const complete = received.filter((payload) => payload.type === 'job_complete');
    assert.deepEqual(complete, [
      { type: 'job_complete', job_id: result.job_id, worker: 'worker-1', model_ids: [model().id] },
    ]);
  });

  it('reads like a report in Temporal: summary, search attributes, and a short history', async () => {
    const connection = await Connection.connect({ address: room.stack.temporalAddress });
    try {
      const client = new Client({ connection });
      const handle = client.workflow.getHandle(jobWorkflowId(room.id, result.job_id));
      const described = await handle.describe();
      assert.equal(described.status.name, 'COMPLETED');
      const attributes = Object.fromEntries(
        Object.entries(described.searchAttributes).map(([name, values]) => [name, values?.[0]]),
      );
      assert.equal(attributes.SleapRoom, room.id);
      assert.equal(attributes.SleapKind, 'training');
      assert.equal(attributes.SleapModelType, 'centroid');
      assert.equal(attributes.SleapPhase, 'done');
      assert.ok(attributes.SleapUser);
      const { events = [] } = await handle.fetchHistory();
      assert.ok((events ?? []).length <= 65, `${events?.length} events`);
      const unsummarized = (events ?? []).filter(
        (event) => event.activityTaskScheduledEventAttributes && !event.userMetadata?.summary,
      );
      assert.deepEqual(unsummarized, []);
      const history = JSON.stringify(events);
      assert.ok(!history.includes(room.token), 'the room’s token must not reach the history');
      assert.ok(!history.includes(room.key), 'nor the key that peers prove themselves with');
    } finally {
      await connection.close();
    }
  });

  it('leaves the room’s key with the researcher: no log, no database and no bucket has it', async () => {
    const found: string[] = [];
    const searched: string[] = [];
    for (const entry of await readdir(room.stack.dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      searched.push(path);
      if ((await readFile(path)).includes(room.key)) found.push(path);
    }
    assert.deepEqual(found, [join(room.folder, 'config', 'config.json')]);
    for (const log of ['signaling', 'worker-1', 'control']) {
      assert.ok(
        searched.some((path) => path.includes(`${sep}${log}`) && path.endsWith('.log')),
        `the log of ${log} is among the searched files: ${searched.filter((path) => path.endsWith('.log'))}`,
      );
    }
  });

  it('leaves the labels with the worker, which says so, so that the next job on them is offered to it first', async () => {
    const neighbour = await room.enter('asks', {});
    const [worker] = await neighbour.discoverPeers({ role: 'worker' });
    await neighbour.close();
    const labels = sha256(await readFile(fliesLabels(room.tools)));
    const { data } = worker?.metadata.properties ?? {};
    assert.ok(Array.isArray(data) && data.includes(labels.slice(0, 16)), JSON.stringify(data));
  });

  it('leaves no files of the job on the worker, and no incomplete ones on the researcher’s disk', async () => {
    const left = await readdir(join(room.stack.dir, 'workers/worker-1/jobs'));
    assert.deepEqual(left, []);
    const names = await readdir(join(model().path, '..'), { recursive: true });
    assert.deepEqual(
      names.filter((name) => /part|journal|tmp/.test(name)),
      [],
    );
  });
});

function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}
