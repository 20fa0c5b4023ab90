import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { processesGone } from '../../../stack/testing/processes-gone.ts';
import { Sandbox } from '../../sandbox/index.ts';
import { testSandbox } from '../../sandbox/testing/test-sandbox.ts';
import { textOf } from '../testing/flies-job.ts';
import { launchersOf, processesIn, warmReports } from '../testing/spare-processes.ts';
import { stubSleapNn } from '../testing/stub-sleap-nn.ts';
import { FreezeGuard } from './freeze-guard.ts';
import { startSleapNn } from './run-sleap-nn.ts';
import { WarmTrainer } from './warm-trainer.ts';

for (const isolates of [false, true])
  describe(`the sleap-nn process ${isolates ? 'in' : 'without'} a sandbox`, () => {
    let folder: string;
    let job: string;
    let sandbox: Sandbox;
    let log: string;

    beforeEach(async function () {
      folder = await mkdtemp(join(tmpdir(), 'sleap-rtc-launch-'));
      job = join(folder, 'jobs');
      await mkdir(job);
      const python = await stubSleapNn(folder);
      sandbox = isolates ? await testSandbox({ python, workDir: folder }) : Sandbox.none(python);
      log = join(job, 'log');
      if (sandbox.isolates !== isolates) this.skip();
    });
    afterEach(() => rm(folder, { recursive: true, force: true }));

    const start = (verb: string, spare?: WarmTrainer) =>
      startSleapNn({
        ...{ sandbox, spare, argv: [verb], cwd: job, logFile: log, tmpDir: job },
        access: { read: [], write: [job] },
      });

    /** The stub's process and its child. */
    async function pidsOfJob(awaited: string): Promise<number[]> {
      const until = Date.now() + 10_000;
      while (!(await textOf(log)).includes(awaited)) {
        if (Date.now() > until) throw new Error(`no "${awaited}" in the log: ${await textOf(log)}`);
        await new Promise((resolve) => setTimeout(resolve, 20)); // poll: the file gives no notice when it grows
      }
      const pids = await processesIn(job);
      assert.equal(pids.length, 2);
      return pids;
    }

    const nothingLeft = async () => processesGone(await processesIn(job));

    it('distinguishes exit codes from signals, and leaves no child process', async () => {
      assert.deepEqual(await (await start('fail')).exited, { code: 3, signal: null });
      assert.match(await textOf(log), /a traceback/);
      await nothingLeft();
      assert.deepEqual(await (await start('die')).exited, { code: null, signal: 9 });
      await nothingLeft();
    });

    it('ends with the worker, even on kill -9', async () => {
      const waiter = fileURLToPath(new URL('../testing/start-and-wait.ts', import.meta.url));
      const worker = execa(process.execPath, [waiter, sandbox.python, String(isolates), job, 'stubborn'], {
        reject: false,
      });
      const pids = await pidsOfJob('ready');
      worker.kill('SIGKILL');
      await worker;
      await processesGone(pids);
    });

    it('is ended if it was stopped (SIGSTOP) and stands still, and its run can go on from a checkpoint', async () => {
      const said: string[] = [];
      const { signal } = new AbortController();
      const report = (detail: string) => void said.push(detail);
      const guard = new FreezeGuard({ signal, report, minLimitMs: 400, checkMs: 50 });
      const running = await start('sleep');
      for (const pid of await pidsOfJob('pids')) process.kill(pid, 'SIGSTOP');
      await guard.wait(running);
      assert.equal(guard.error?.code, 'TRAINER_KILLED');
      assert.equal(guard.error?.retryable, true);
      assert.match(said.at(-1) ?? '', /has done nothing for .* it is restarted$/);
      await nothingLeft();
    });

    it('gets SIGTERM first, then SIGKILL', async () => {
      const polite = await start('polite');
      const pids = await pidsOfJob('ready');
      assert.deepEqual(await polite.terminate(10_000), { code: 0, signal: null });
      await processesGone(pids);
      await rm(log);
      const stubborn = await start('stubborn');
      const others = await pidsOfJob('ready');
      await stubborn.terminate(100);
      await processesGone(others);
    });

    it('gets none of the worker’s secrets', async () => {
      process.env.AWS_SECRET_ACCESS_KEY = 'secret';
      try {
        await (await start('other')).exited;
      } finally {
        delete process.env.AWS_SECRET_ACCESS_KEY;
      }
      const text = await textOf(log);
      assert.doesNotMatch(text, /AWS_|SLEAP_RTC_/);
      assert.match(text, new RegExp(`cwd ${job} tmp ${job} `));
    });

    it('cannot fill the worker’s memory with a line that does not end', async () => {
      const lines: string[] = [];
      const running = await startSleapNn({
        ...{ sandbox, argv: ['shout'], cwd: job, logFile: log, tmpDir: job },
        access: { read: [], write: [job] },
        onLine: (line) => lines.push(line),
      });
      await running.exited;
      assert.equal(lines.at(-1), 'a line');
      assert.ok(
        lines.every((line) => line.length < 1000 && !line.includes('long')),
        `${lines.length} lines`,
      );
    });

    it('says so if Python cannot be started', async () => {
      await rm(sandbox.python);
      await assert.rejects(start('x'), (error: unknown) => error instanceof SleapRtcError && error.code === 'INTERNAL');
    });

    describe('warmed up beforehand', () => {
      it('is used once, and is replaced only on request', async () => {
        const { logger, nextPid } = warmReports();
        const spare = new WarmTrainer({ sandbox, workDir: folder, logger });
        try {
          spare.ensureSpare();
          await nextPid();
          const first = await start('fail', spare);
          assert.equal(first.wasWarm, true);
          assert.deepEqual(await first.exited, { code: 3, signal: null });
          assert.deepEqual(await launchersOf(folder), []);
          const second = await start('fail', spare);
          assert.equal(second.wasWarm, false);
          await second.exited;
        } finally {
          await spare.close();
        }
      });

      it('is replaced after a pause if it died, and a job does not wait for that', async () => {
        const { logger, nextPid } = warmReports();
        const spare = new WarmTrainer({ sandbox, rebuildDelayMs: 50, logger });
        try {
          spare.ensureSpare();
          const pid = await nextPid();
          process.kill(-pid, 'SIGKILL');
          await processesGone([pid]);
          assert.notEqual(await nextPid(), pid);
        } finally {
          await spare.close();
        }
      });

      it('ends when it is closed', async () => {
        const spare = new WarmTrainer({ sandbox, workDir: folder });
        spare.ensureSpare();
        while ((await launchersOf(folder)).length === 0);
        const pids = await launchersOf(folder);
        await spare.close();
        await processesGone(pids);
      });
    });
  });
