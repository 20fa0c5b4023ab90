import assert from 'node:assert/strict';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { JobStatus } from '../../protocol/jobs/job.ts';
import { SignalingClient } from '../../transport/index.ts';
import { identityOf } from '../../transport/testing/join.ts';
import { useDesk } from '../testing/desk.ts';
import type { CliResult } from '../testing/run-cli.ts';
import { ROOM, ROOM_KEY, TOKEN } from '../testing/test-server.ts';

/** Sets a window's title, clears the screen (with ESC, and with the one character CSI), turns text around, goes to the line's start. */
const HOSTILE = '\u001b]0;pwned\u0007\u001b[2J\u009b2J\u202e\rred';
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const JOB = 'abcdefgh12345678';

describe('text of others, as commands print it', function () {
  this.timeout(120_000);

  const desk = useDesk({ prepare: async () => undefined });

  /** Runs a command, and checks that it shows the text and sends no control character. */
  async function shows(text: RegExp, ...args: string[]): Promise<CliResult> {
    const result = await desk.home.run(...args);
    const printed = result.stdout + result.stderr;
    assert.doesNotMatch(printed, OBEYED, `${args.join(' ')}: ${JSON.stringify(printed)}`);
    assert.match(printed, text, args.join(' '));
    return result;
  }

  const ESCAPED = /\\u001b\]0;pwned\\u0007\\u001b\[2J\\u009b2J\\u202e/;

  it('of a job: its name, what it does, why it failed, its log', async () => {
    const error = { code: 'TRAINING_FAILED', message: `It broke ${HOSTILE}\nError: all is lost`, remedy: HOSTILE };
    desk.server.addJob(status({ phase: 'failed', error }));
    desk.server.addLog(JOB, `epoch 1\n${HOSTILE}\n`);
    await shows(ESCAPED, 'jobs', 'list');
    const { stdout } = await shows(ESCAPED, 'jobs', 'show', JOB);
    assert.doesNotMatch(stdout, /^Error: all is lost/m, 'a line of others does not look like one of ours');
    await shows(/epoch 1\n\\u001b/, 'jobs', 'log', JOB);
    const attached = await shows(ESCAPED, 'jobs', 'attach', JOB);
    assert.doesNotMatch(attached.stderr, /^Error: all is lost/m);
  });

  it('with --json is still JSON, and says the same', async () => {
    desk.server.addJob(status({}));
    for (const args of [
      ['jobs', 'list'],
      ['jobs', 'show', JOB],
    ]) {
      const { stdout } = await shows(/pwned/, ...args, '--json');
      const { jobs, job = jobs[0] } = JSON.parse(stdout);
      assert.equal(job.name, HOSTILE);
    }
  });

  it('of a job that is followed: the name of a run, and what a worker reports', async () => {
    desk.server.addJob(status({}));
    const worker = await desk.joined();
    const attached = desk.home.start('jobs', 'attach', JOB);
    await desk.home.says(attached, /Waiting for a worker/);
    desk.server.openSession(JOB, worker.name);
    desk.server.update(JOB, { phase: 'paused', worker: worker.name, detail: `paused ${HOSTILE}` });
    await desk.home.says(attached, /The job is paused/);
    desk.server.update(JOB, { phase: 'cancelled', detail: HOSTILE });
    const { stdout, stderr } = await attached;
    assert.match(stderr, ESCAPED);
    assert.doesNotMatch(stdout + stderr, OBEYED);
  });

  it('of a job that is followed on a terminal: its live lines draw, and show what others say', async () => {
    desk.server.addJob(status({}));
    const attached = desk.home.startOnTerminal('jobs', 'attach', JOB);
    await desk.home.says(attached, /Waiting for a worker: \\u001b\]0;pwned/);
    desk.server.update(JOB, { phase: 'cancelled', detail: HOSTILE });
    const { stdout } = await attached;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
    assert.doesNotMatch(stdout, /\u001b\]|\u001b\[2J|[\u0007\u0080-\u009f\u202e]/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the display's own
    assert.match(stdout, /\u001b\[\?25h/, 'the cursor is there again');
    assert.doesNotMatch(stdout, /\\u001b\[\?25|\\u001b\[\d?K/, 'what the display draws is not escaped');
  });

  it('of models: notes', async () => {
    const training = { dataset_hash: '12345678', epochs: 2, final_loss: 0.1, training_duration_sec: 3 };
    const origin = { trained_at: new Date().toISOString(), trained_by: HOSTILE, trained_on_worker: HOSTILE };
    const place = { s3_path: HOSTILE, checkpoint_path: HOSTILE, size_bytes: 7, available_on_workers: [HOSTILE] };
    const named = { id: 'a3f5e8c9', alias: null, model_type: 'centroid', notes: `fine ${HOSTILE}`, tags: [] } as const;
    desk.server.manifest.models.a3f5e8c9 = { ...named, ...origin, ...place, training, tags: [] };
    await shows(ESCAPED, 'models', 'show', 'a3f5e8c9');
    await shows(/a3f5e8c9/, 'models', 'list');
  });

  it('of workers: GPU and the reason why one is unhealthy', async () => {
    const properties = { status: 'unhealthy', reason: HOSTILE, gpu_model: HOSTILE, models: [HOSTILE] };
    const worker = await SignalingClient.connect({
      serverUrl: desk.server.url,
      roomId: ROOM,
      token: TOKEN,
      roomKey: ROOM_KEY,
      identity: identityOf('id-0'),
      peerId: 'evil',
      role: 'worker',
      metadata: { tags: [], properties },
    });
    try {
      await shows(ESCAPED, 'workers', 'list');
    } finally {
      await worker.close();
    }
  });

  it('of a server, in an error', async () => {
    desk.server.refusal = new SleapRtcError('NOT_ALLOWED', `Nobody may ${HOSTILE}\nError: forged`, { remedy: HOSTILE });
    const { stderr } = await shows(ESCAPED, 'jobs', 'list');
    assert.equal(stderr.split('\n').length, 2, 'one line with the error, and one with the remedy');
    const { stdout } = await shows(/pwned/, 'jobs', 'list', '--json');
    assert.equal(JSON.parse(stdout).error.remedy, HOSTILE);
  });
});

function status(changes: Partial<JobStatus>): JobStatus {
  return {
    job_id: JOB,
    kind: 'training',
    name: HOSTILE,
    user_id: 'user-2',
    submitted_at: new Date().toISOString(),
    phase: 'queued',
    detail: HOSTILE,
    worker: null,
    models: [],
    error: null,
    ...changes,
  };
}
