import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import type { BrowserContext } from 'playwright-core';
import { jobWorkflowId } from '../../protocol/temporal/queues.ts';
import { sleapNnOf } from '../faults/process-tree.ts';
import { startBrowser } from '../support/browser.ts';
import { FLIES_CONFIG, fliesLabels } from '../support/samples.ts';
import { createRoom, type RunningCommand, type TestRoom } from '../support/test-room.ts';

/** Set to a folder to draw the picture in the documents again. */
const SCREENSHOT = process.env.SLEAP_RTC_TEMPORAL_SCREENSHOT;
const SHOWN_MS = 30_000;
const POLL_MS = 100;
/** Enough that the second attempt still trains while the pages are looked at. */
const EPOCHS = 15;

describe('a job whose sleap-nn was killed, in Temporal’s own web page', function () {
  this.timeout(300_000);
  let room: TestRoom;
  let browser: BrowserContext & AsyncDisposable;
  let connection: Connection;
  let running: RunningCommand;
  let workflowId: string;
  let runId: string;
  /** The failure of the first attempt, as Temporal stores it while the second one runs. */
  let failure: string;

  before(async () => {
    room = await createRoom();
    browser = await startBrowser();
    connection = await Connection.connect({ address: room.stack.temporalAddress });
    const worker = await room.startWorker('worker-1');
    const config = join(room.folder, 'longer.yaml');
    await writeFile(config, (await readFile(FLIES_CONFIG, 'utf8')).replace('max_epochs: 5', `max_epochs: ${EPOCHS}`));
    const out = join(room.folder, 'models');
    running = room.cli(['train', fliesLabels(room.tools), '--config', config, '-o', out]);
    await running.untilShown(/epoch 2\/15/);
    workflowId = jobWorkflowId(room.id, /Job ([a-z0-9]+) is submitted/.exec(running.shown())?.[1] ?? '');
    await killSleapNn(worker.pid);
    ({ runId, failure } = await secondAttempt());
  });
  after(async () => {
    await browser[Symbol.asyncDispose]();
    await connection.close();
  });

  /** Kills the process that the worker's launcher runs, as the kernel does if memory is short. */
  async function killSleapNn(workerPid: number): Promise<void> {
    const trainer = (await sleapNnOf(workerPid)).at(-1);
    assert.ok(trainer !== undefined, 'sleap-nn was running');
    process.kill(trainer, 'SIGKILL');
  }

  /** Waits until Temporal has `train` in its second attempt. */
  async function secondAttempt(): Promise<{ runId: string; failure: string }> {
    const handle = new Client({ connection }).workflow.getHandle(workflowId);
    for (;;) {
      const described = await handle.describe();
      assert.equal(described.status.name, 'RUNNING');
      const train = described.raw.pendingActivities?.find((pending) => pending.activityType?.name === 'train');
      const message = train?.lastFailure?.message;
      if ((train?.attempt ?? 0) >= 2 && message) return { runId: described.runId, failure: message };
      await new Promise((resolve) => setTimeout(resolve, POLL_MS)); // Temporal notifies nobody of an attempt
    }
  }

  const listed = (query: string) =>
    `${room.stack.temporalUiUrl}/namespaces/default/workflows?query=${encodeURIComponent(query)}`;

  it('can be found by room and by user', async () => {
    const { jobs } = (await room.json(['jobs', 'list'])) as { jobs: { user_id: string }[] };
    for (const query of [`SleapRoom="${room.id}"`, `SleapUser="${jobs[0]?.user_id}" AND SleapKind="training"`]) {
      const page = await browser.newPage();
      await page.goto(listed(query));
      await page.getByText(workflowId).first().waitFor({ timeout: SHOWN_MS });
      await page.close();
    }
  });

  it('shows the retry, and why, in words that a researcher can read', async () => {
    assert.match(failure, /sleap-nn/);
    assert.doesNotMatch(failure, /Traceback|\/tmp\//);
    const page = await browser.newPage();
    const job = `${room.stack.temporalUiUrl}/namespaces/default/workflows/${encodeURIComponent(workflowId)}/${runId}`;
    await page.goto(`${job}/pending-activities`);
    const reason = page.getByText(failure).first();
    await reason.waitFor({ timeout: SHOWN_MS });
    if (SCREENSHOT !== undefined) {
      await page.setViewportSize({ width: 1280, height: 1150 });
      await reason.scrollIntoViewIfNeeded();
      // Without the stack trace below, which has paths of the machine.
      const clip = { x: 0, y: 0, width: 1280, height: 1032 };
      await page.screenshot({ path: join(SCREENSHOT, 'temporal-retry.png'), clip });
    }
    await page.goto(`${job}/history`);
    await page.getByText('train longer (centroid) on worker-1').first().waitFor({ timeout: SHOWN_MS });
    await page.close();
  });

  it('resumes from its checkpoint, and is done', async () => {
    const ended = await running;
    assert.equal(ended.exitCode, 0, ended.stderr);
    const [model] = Object.values((await room.manifest()).models);
    assert.equal(model?.training.epochs, EPOCHS);
    const log = await room.cli(['jobs', 'log', workflowId.split(':').at(-1) ?? '']);
    assert.match(log.stdout, /attempt 2, going on after epoch \d+/);
  });
});
