import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configWith, damagedLabels, FLIES_CONFIG, fliesLabels, paddedLabels } from '../support/samples.ts';
import { type CommandResult, createRoom, type TestRoom } from '../support/test-room.ts';

describe('bad input and interruptions, on real parts', function () {
  this.timeout(300_000);
  let room: TestRoom;
  let labels: string;

  before(async () => {
    room = await createRoom();
    labels = fliesLabels(room.tools);
    await room.startWorker('worker-1');
  });

  const train = (file: string, config: string, ...more: string[]) =>
    room.cli(['train', file, '--config', config, '-o', join(room.folder, 'models'), ...more]);

  /** Checks for one sentence with the code, for the exit code, and that nothing was published or left incomplete. */
  async function refused(ended: CommandResult, code: string, exitCode: number, words: RegExp): Promise<void> {
    assert.equal(ended.exitCode, exitCode, ended.stderr);
    assert.match(ended.stderr, new RegExp(`\\b${code}\\b`));
    assert.match(ended.stderr, words);
    assert.doesNotMatch(ended.stderr, /\bat .*\.[tj]s:\d|Traceback/, 'no stack trace');
    assert.ok(!existsSync(join(room.folder, 'models')), 'no output folder is made for nothing');
    assert.deepEqual((await room.manifest()).models, {});
    assert.deepEqual(await readdir(join(room.stack.dir, 'workers/worker-1/jobs')).catch(() => []), []);
  }

  it('names the key of a config that sleap-nn refuses', async () => {
    const config = await configWith(join(room.folder, 'refused.yaml'), 'trainer_config', 'no_such_key: 3');
    const ended = await train(labels, config);
    await refused(ended, 'CONFIG_REFUSED', 2, /no_such_key/);
    const job = /Job ([a-z0-9]{8,32}) is submitted/.exec(ended.stderr)?.[1] ?? '';
    const log = await room.cli(['jobs', 'log', job]);
    assert.match(log.stdout, /no_such_key/, 'the log of a failed job can be read afterwards');
  });

  it('says that labels are corrupt, in words', async () => {
    const damaged = await damagedLabels(room.tools, join(room.folder, 'damaged.pkg.slp'));
    await refused(await train(damaged, FLIES_CONFIG), 'LABELS_CORRUPT', 2, /damaged\.pkg\.slp/);
  });

  it('reports a missing file and a file that is not labels, before anything is sent', async () => {
    await refused(await train(join(room.folder, 'none.pkg.slp'), FLIES_CONFIG), 'FILE_NOT_FOUND', 2, /none\.pkg\.slp/);
    const text = join(room.folder, 'text.pkg.slp');
    await writeFile(text, 'not labels');
    await refused(await train(text, FLIES_CONFIG), 'LABELS_INVALID', 2, /text\.pkg\.slp/);
  });

  it('refuses an unknown room like a wrong token, and distinguishes an unavailable server', async () => {
    const args = ['train', labels, '--config', FLIES_CONFIG, '-o', join(room.folder, 'models')];
    await refused(await room.cli(args, { SLEAP_RTC_ROOM: 'no-such-room' }), 'TOKEN_REFUSED', 4, /no-such-room/);
    await refused(await room.cli(args, { SLEAP_RTC_TOKEN: 'wrong' }), 'TOKEN_REFUSED', 4, /token/);
    const nobody = { SLEAP_RTC_SERVER: 'http://127.0.0.1:9' };
    await refused(await room.cli(args, nobody), 'SERVER_UNREACHABLE', 5, /127\.0\.0\.1:9/);
  });

  it('sends nothing between a researcher and a worker with different keys, and says so in one sentence', async () => {
    const key = Buffer.alloc(32, 'of another room').toString('base64url');
    // Not what the worker has from an earlier job, which it would not ask for.
    const unseen = await paddedLabels(room.tools, join(room.folder, 'unseen.pkg.slp'), 1_000);
    const ended = await room.cli(['train', unseen, '--config', FLIES_CONFIG, '-o', join(room.folder, 'models')], {
      SLEAP_RTC_ROOM_KEY: key,
    });
    await refused(ended, 'PEER_NOT_PROVEN', 4, /Error: .*worker-1.*the same room key, so no data was moved/);
    assert.doesNotMatch(ended.stderr, /Sent /);
    assert.ok(!ended.stderr.includes(key));
  });

  it('says that a room has no worker, and waits until --wait is over', async () => {
    const empty = await createRoom();
    const ended = await empty.cli(['train', labels, '--config', FLIES_CONFIG, '--wait', '0.05']);
    assert.equal(ended.exitCode, 6, ended.stderr);
    assert.match(ended.stderr, /NO_WORKER/);
    assert.match(ended.stderr, /no worker/i);
  });

  it('cancels on Ctrl-C before the worker has the data, and leaves no incomplete files', async () => {
    const large = await paddedLabels(room.tools, join(room.folder, 'large.pkg.slp'), 400_000_000);
    const running = train(large, FLIES_CONFIG);
    await running.untilShown(/Sending the data/);
    running.interrupt();
    await refused(await running, 'INTERRUPTED|JOB_CANCELLED', 7, /cancel/i);
  });

  it('detaches on Ctrl-C while training: the job continues, and attaching to it brings its model', async () => {
    const running = train(labels, FLIES_CONFIG);
    await running.untilShown(/epoch 1\/5/);
    running.interrupt();
    const ended = await running;
    assert.equal(ended.exitCode, 130, ended.stderr);
    const job = /jobs attach ([a-z0-9]{8,32})/.exec(ended.stderr)?.[1] ?? '';
    const attached = await room.cli(['jobs', 'attach', job]);
    assert.equal(attached.exitCode, 0, attached.stderr);
    assert.equal(Object.keys((await room.manifest()).models).length, 1);
  });

  it('says that the room has a model already, before anything is sent', async () => {
    const ended = await train(labels, FLIES_CONFIG);
    assert.equal(ended.exitCode, 2, ended.stderr);
    assert.match(ended.stderr, /MODEL_EXISTS/);
  });
});
