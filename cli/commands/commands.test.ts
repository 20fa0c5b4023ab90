import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import { isErrorCode } from '../../protocol/errors.ts';
import type { JobStatus } from '../../protocol/jobs/job.ts';
import { useDesk } from '../testing/desk.ts';
import { type CliResult, deadServer } from '../testing/run-cli.ts';
import { ROOM, TOKEN } from '../testing/test-server.ts';

describe('the other commands', function () {
  this.timeout(60_000);

  const desk = useDesk({ inRoom: false, prepare: async () => undefined });

  async function ok(...args: string[]): Promise<CliResult> {
    const result = await desk.home.run(...args);
    assert.equal(result.exitCode, 0, result.stderr);
    return result;
  }
  const json = async (...args: string[]) => JSON.parse((await ok(...args, '--json')).stdout);

  it('rooms create saves a new room, which a second researcher joins with its invite', async () => {
    const made = await json('rooms', 'create', ROOM, '--server', desk.server.url);
    assert.equal(made.room_id, ROOM);
    assert.match((await ok('rooms', 'show')).stdout, new RegExp(`Room: +${ROOM}\nServer: +${desk.server.url}`));

    desk.home.env.SLEAP_RTC_CONFIG_DIR = desk.home.path('second');
    const outside = await desk.home.run('rooms', 'show');
    assert.match(outside.stderr, /No server is set.*\[USAGE\]/);
    assert.match((await ok('rooms', 'join', made.invite)).stdout, /Joined lab-mice/);
    assert.equal((await json('rooms', 'show')).room_id, ROOM);
    assert.equal((await json('rooms', 'invite')).invite, made.invite);
    assert.match(made.invite, new RegExp(`&key=${made.key}$`));
    const stored = await readFile(desk.home.path('second', 'config.json'), 'utf8');
    assert.ok(stored.includes(made.key));
    await ok('rooms', 'open');
  });

  it('an invite without a key is reported as read-only', async () => {
    const { token } = await json('rooms', 'create', ROOM, '--server', desk.server.url);
    desk.home.env.SLEAP_RTC_CONFIG_DIR = desk.home.path('second');
    const { stdout } = await ok('rooms', 'join', `${desk.server.url}/#room=${ROOM}&token=${token}`);
    assert.match(stdout, /no key: you can see the room, but you cannot run jobs/);
  });

  it('rooms join takes its invite from stdin, where no other user sees it', async () => {
    const { invite, token, key } = await json('rooms', 'create', ROOM, '--server', desk.server.url);
    desk.home.env.SLEAP_RTC_CONFIG_DIR = desk.home.path('second');
    const joining = desk.home.startWithInput(`${invite}\n`, 'rooms', 'join');
    const { exitCode, stdout, stderr } = await joining;
    assert.equal(exitCode, 0, stderr);
    assert.match(stdout, /Joined lab-mice/);
    assert.doesNotMatch(stdout + stderr, new RegExp(`${token}|${key}`));
    assert.match((await desk.home.run('rooms', 'join', invite)).stderr, /others on this machine can see the arguments/);
    const nothing = await desk.home.startWithInput('', 'rooms', 'join');
    assert.match(nothing.stderr, /This is not an invite.*\[USAGE\]/);
  });

  it('rooms join asks for its invite on a terminal, and does not show it', async () => {
    const { invite, token, key } = await json('rooms', 'create', ROOM, '--server', desk.server.url);
    desk.home.env.SLEAP_RTC_CONFIG_DIR = desk.home.path('second');
    const joining = desk.home.startOnTerminal('rooms', 'join');
    await desk.home.says(joining, /Paste the invite/);
    joining.stdin.write(`${invite}\r`);
    const { exitCode, stdout } = await joining;
    assert.equal(exitCode, 0, stdout);
    assert.match(stdout, /Joined lab-mice/);
    assert.doesNotMatch(stdout, new RegExp(`${token}|${key}`));
    assert.doesNotMatch(stdout, /\\u001b/, 'what draws the question is not escaped');
  });

  it('an invite that does not open the room is not saved', async () => {
    const { exitCode, stderr } = await desk.home.run(
      'rooms',
      'join',
      `${desk.server.url}/#room=${ROOM}&token=wrong-token`,
    );
    assert.equal(exitCode, 4);
    assert.doesNotMatch(stderr, /wrong-token/);
    assert.deepEqual(await readdir(desk.home.path('config')), ['sign-in.json']);
  });

  it('remains one user for many commands, saves the identity for its owner only, and renews it', async () => {
    await ok('rooms', 'create', ROOM, '--server', desk.server.url);
    await ok('rooms', 'show');
    await ok('models', 'list');
    const signIns = () => desk.server.requests.filter((request) => request.endsWith('-signin'));
    assert.deepEqual(signIns(), ['POST /anonymous-signin']);
    const path = desk.home.path('config', 'sign-in.json');
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const { writeFile } = await import('node:fs/promises');
    const change = async (pattern: RegExp, text: string) => {
      desk.server.requests.length = 0;
      await writeFile(path, (await readFile(path, 'utf8')).replace(pattern, text));
      await ok('rooms', 'show');
      await ok('models', 'list');
      return signIns();
    };
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    assert.deepEqual(await change(/(?<="expires_at": ")[^"]*/, hourAgo), ['POST /refresh-signin']);
    assert.deepEqual(await change(/"id-\d+"/, '"refused"'), ['POST /refresh-signin']);
    // A server that was set up again does not know the user any more.
    await change(/"refresh-token"/, '"of another pool"');
    const renewed = ['POST /refresh-signin', 'POST /anonymous-signin'];
    assert.deepEqual(await change(/"id-\d+"/, '"refused"'), renewed);
  });

  it('config shows where each value came from, and no token or key', async () => {
    const { key } = await json('rooms', 'create', ROOM, '--server', desk.server.url);
    desk.home.env.SLEAP_RTC_TOKEN = 'env-token';
    const { stdout } = await ok('config', '--room', 'other-room');
    assert.match(stdout, new RegExp(`server +${desk.server.url} +${desk.home.path('config', 'config.json')}`));
    assert.match(stdout, /room +other-room +--room/);
    assert.match(stdout, /token +\(set, not shown\) +SLEAP_RTC_TOKEN/);
    assert.match((await ok('config')).stdout, /room_key +\(set, not shown\) +.*config.json/);
    assert.doesNotMatch(stdout + (await ok('config', '--json')).stdout, new RegExp(`env-token|${TOKEN}|${key}`));
  });

  it('warns that --token can be seen by others', async () => {
    const { stderr } = await ok('rooms', 'show', '--server', desk.server.url, '--room', ROOM, '--token', TOKEN);
    assert.match(stderr, /others on this machine can see --token/);
  });

  it('lists workers with GPU, memory, status and tags', async () => {
    await ok('rooms', 'create', ROOM, '--server', desk.server.url);
    assert.match((await ok('workers', 'list')).stdout, /There is no such worker/);
    await desk.joined();
    assert.match((await ok('workers', 'list')).stdout, /gpu-1 +available +Test +16000 +– +cuda/);
    assert.equal((await json('workers', 'list', '--min-gpu-memory', '20000')).workers.length, 0);
  });

  it('lists, shows and downloads models by alias, id or the beginning of an id', async () => {
    await ok('rooms', 'create', ROOM, '--server', desk.server.url);
    assert.match((await ok('models', 'list')).stdout, /no models yet/);
    await publish();
    assert.match((await ok('models', 'list')).stdout, /a3f5e8c9 +centroid +flies, latest-centroid/);
    assert.equal((await json('models', 'list')).aliases.flies, 'a3f5e8c9');
    for (const reference of ['flies', 'a3f5e8c9', 'a3f5']) {
      assert.match((await ok('models', 'show', reference)).stdout, /Model: +a3f5e8c9/);
    }
    const missing = await desk.home.run('models', 'show', 'bees');
    assert.equal(missing.exitCode, 2);
    assert.match(missing.stderr, /no model “bees”\. \[MODEL_NOT_FOUND\]/);

    const first = await json('models', 'download', 'flies', '-o', 'got');
    assert.equal(first.path, 'got/centroid-a3f5e8c9');
    assert.equal(await readFile(desk.home.path(first.path, 'best.ckpt'), 'utf8'), 'weights');
    assert.equal((await json('models', 'download', 'flies', '-o', 'got')).path, 'got/centroid-a3f5e8c9-2');
    assert.deepEqual((await readdir(desk.home.path('got'))).sort(), ['centroid-a3f5e8c9', 'centroid-a3f5e8c9-2']);
  });

  it('says that a job does not exist', async () => {
    await ok('rooms', 'create', ROOM, '--server', desk.server.url);
    assert.match((await ok('jobs', 'list')).stdout, /no jobs yet/);
    for (const command of ['show', 'cancel', 'stop', 'pause', 'resume', 'attach']) {
      const { exitCode, stderr } = await desk.home.run('jobs', command, 'abcdefgh12345678');
      assert.equal(exitCode, 2);
      assert.match(stderr, /\[JOB_NOT_FOUND\]/);
    }
  });

  it('pause and resume say what happens to the job', async () => {
    await ok('rooms', 'create', ROOM, '--server', desk.server.url);
    const status = jobOf('training');
    desk.server.addJob(status);
    const pause = async () => (await ok('jobs', 'pause', status.job_id)).stdout;
    const resume = async () => (await ok('jobs', 'resume', status.job_id)).stdout;
    const refused = async (command: string) => {
      const { exitCode, stderr } = await desk.home.run('jobs', command, status.job_id);
      assert.equal(exitCode, 2);
      assert.match(stderr, /\[JOB_ACTION_REFUSED\]/);
      return stderr;
    };
    assert.match(await refused('resume'), /is not paused: epoch 3/);
    assert.match(await pause(), /is paused\.\nResume it with: sleap-rtc jobs resume abcdefgh12345678/);
    assert.match(await pause(), /is paused/);
    assert.match((await ok('jobs', 'list')).stdout, /abcdefgh12345678 .* paused /);
    assert.match(await resume(), /is queued: queued now\.\n.*not in the room’s storage.*jobs attach abcdefgh12345678/);
    desk.server.update(status.job_id, { phase: 'paused', staging: 'staged' });
    assert.doesNotMatch(await resume(), /attach/);
    desk.server.update(status.job_id, { phase: 'publishing', detail: 'publishing in the room' });
    assert.match(await refused('pause'), /not paused, since nothing is being trained now: publishing/);
    desk.server.update(status.job_id, { phase: 'done' });
    for (const refusal of [await refused('pause'), await refused('resume')])
      assert.match(refusal, /had ended already: done/);
  });

  it('an action that is not answered is requested again, and is reported as accepted only when it is', async () => {
    await ok('rooms', 'create', ROOM, '--server', desk.server.url);
    const status = jobOf('training');
    desk.server.addJob(status);
    desk.server.unansweredActions = 2;
    const { stdout, stderr } = await ok('jobs', 'pause', status.job_id);
    assert.match(stderr, /has not accepted `pause` yet/);
    assert.match(stdout, /is paused/);

    desk.server.unansweredActions = Number.POSITIVE_INFINITY;
    const running = desk.home.start('jobs', 'resume', status.job_id);
    await desk.home.says(running, /has not accepted `resume` yet/);
    running.kill('SIGINT');
    const result = await running;
    assert.equal(result.exitCode, 130);
    assert.match(String(result.stderr), /has not accepted `resume`\. \[INTERRUPTED\]/);
    assert.equal(result.stdout, '');
  });

  it('show names the priority of a job while it waits', async () => {
    await ok('rooms', 'create', ROOM, '--server', desk.server.url);
    const status = jobOf('training');
    desk.server.addJob({ ...status, priority: 1 });
    assert.match((await ok('jobs', 'show', status.job_id)).stdout, /^Priority: +1$/m);
    desk.server.update(status.job_id, { phase: 'done' });
    assert.doesNotMatch((await ok('jobs', 'show', status.job_id)).stdout, /Priority/);
  });

  it('stop says what happens to the job', async () => {
    await ok('rooms', 'create', ROOM, '--server', desk.server.url);
    const status = jobOf('training');
    desk.server.addJob(status);
    const stop = async () => (await ok('jobs', 'stop', status.job_id)).stdout;
    assert.match(await stop(), /stops early: centroid ends early/);
    desk.server.update(status.job_id, { phase: 'publishing', detail: 'publishing in the room' });
    const late = await desk.home.run('jobs', 'stop', status.job_id);
    assert.equal(late.exitCode, 2);
    assert.match(late.stderr, /no training under way to stop: publishing/);
    desk.server.update(status.job_id, { phase: 'queued' });
    assert.match(await stop(), /is cancelled: Stopped before anything was trained/);
  });

  it('every command reports an unavailable server within seconds', async () => {
    const { exitCode, stderr } = await desk.home.run('rooms', 'create', '--server', await deadServer());
    assert.equal(exitCode, 5);
    assert.match(stderr, /connection refused\. \[SERVER_UNREACHABLE\]/);
  });

  it('another server at the address is not taken for ours', async () => {
    const { createServer } = await import('node:http');
    const other = createServer((_, res) => res.end('<html>Hello</html>')).listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    try {
      const { port } = other.address() as { port: number };
      const { exitCode, stderr } = await desk.home.run('rooms', 'create', '--server', `http://127.0.0.1:${port}`);
      assert.equal(exitCode, 5);
      assert.match(stderr, /is not one of this release/);
    } finally {
      other.close();
      other.closeAllConnections();
    }
  });

  it('errors lists every code once, with exit codes that the docs explain', async () => {
    const { errors } = await json('errors');
    const docs = await readFile(new URL('../../docs/researchers.md', import.meta.url), 'utf8');
    for (const { code, exit_code } of errors) {
      assert.ok(isErrorCode(code));
      assert.match(docs, new RegExp(`^\\| ${exit_code} +\\|`, 'm'));
    }
    assert.equal(new Set(errors.map(({ code }: { code: string }) => code)).size, errors.length);
  });

  it('starts fast, prints its version and help, and suggests help for an unknown command', async () => {
    assert.match((await ok('--version')).stdout, /^sleap-rtc\/\d/);
    assert.match((await ok('--help')).stdout, /train +Train models/);
    assert.match((await ok('train', '--help')).stdout, /--on-interrupt/);
    const unknown = await desk.home.run('trian');
    assert.equal(unknown.exitCode, 2);
    assert.match(unknown.stderr, /no command “trian”\. \[USAGE\]/);
  });

  /** Puts a model into the room's manifest and storage. */
  async function publish(): Promise<void> {
    const { createHash } = await import('node:crypto');
    const content = Buffer.from('weights');
    const sha256 = createHash('sha256').update(content).digest('hex');
    desk.server.storage.set('a3f5e8c9', [{ path: 'best.ckpt', content, sha256 }]);
    desk.server.manifest.models.a3f5e8c9 = {
      id: 'a3f5e8c9',
      alias: 'flies',
      model_type: 'centroid',
      trained_at: new Date().toISOString(),
      trained_by: 'user-2',
      trained_on_worker: 'gpu-1',
      s3_path: 's3://x/',
      checkpoint_path: 's3://x/best.ckpt',
      size_bytes: 7,
      available_on_workers: ['gpu-1'],
      notes: '',
      tags: [],
      training: { dataset_hash: '12345678', epochs: 2, final_loss: 0.1, training_duration_sec: 3 },
    };
    Object.assign(desk.server.manifest.aliases, { flies: 'a3f5e8c9', 'latest-centroid': 'a3f5e8c9' });
  }
});

/** A job of somebody in the room. */
function jobOf(phase: JobStatus['phase']): JobStatus {
  return {
    job_id: 'abcdefgh12345678',
    kind: 'training',
    name: 'flies',
    user_id: 'user-1',
    phase,
    detail: 'epoch 3',
    worker: 'gpu-1',
    models: [],
    submitted_at: new Date().toISOString(),
    error: null,
  };
}
