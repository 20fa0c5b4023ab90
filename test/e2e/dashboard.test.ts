import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Locator } from 'playwright-core';
import { z } from 'zod';
import { startBrowser } from '../support/browser.ts';
import { openPage, type WatchedPage } from '../support/page-watch.ts';
import { configWith, FLIES_CONFIG, fliesLabels } from '../support/samples.ts';
import { createRoom, type TestRoom, TrainResult } from '../support/test-room.ts';

/** Set to draw the picture in the documents again. */
const SCREENSHOT = process.env.SLEAP_RTC_SCREENSHOT;
const HTML = '<img src=x onerror="document.title=1"><b>bold</b>';
const Jobs = z.object({ jobs: z.array(z.object({ job_id: z.string() })) });
const SHOWN_MS = 15_000;

describe('the room’s page, in Chromium against the running stack', function () {
  this.timeout(300_000);
  let room: TestRoom;
  let browser: Awaited<ReturnType<typeof startBrowser>>;
  let invite: string;
  let early: WatchedPage;
  let train: string[];
  let result: z.infer<typeof TrainResult>;

  before(async () => {
    room = await createRoom();
    browser = await startBrowser();
    await room.startWorker('worker-1');
    ({ invite } = z.object({ invite: z.string() }).parse(await room.json(['rooms', 'invite'])));
    early = await openPage(browser, invite);
    await early.page.locator('[data-worker="worker-1"]').waitFor({ timeout: SHOWN_MS });
    train = ['train', fliesLabels(room.tools), '--config', await config(), '--alias', 'flies'];
    const notes = SCREENSHOT === undefined ? HTML : 'Two flies, first try';
    const more = ['--notes', notes, '--model-tag', 'tested', '-o', join(room.folder, 'models')];
    result = TrainResult.parse(await room.json([...train, ...more]));
  });
  after(async () => browser?.[Symbol.asyncDispose]());

  /** More epochs only if a picture is wanted. */
  async function config(): Promise<string> {
    if (SCREENSHOT === undefined) return FLIES_CONFIG;
    const path = join(room.folder, 'centroid.yaml');
    await writeFile(path, (await readFile(FLIES_CONFIG, 'utf8')).replace('max_epochs: 5', 'max_epochs: 40'));
    return path;
  }

  it('opens by the invite link, and leaves no trace of it in the address bar', async () => {
    assert.equal(early.page.url(), `${room.stack.serverUrl}/`);
    assert.equal(await early.page.title(), `${room.id} · SLEAP-RTC`);
    assert.equal(await early.page.locator('[data-link]').getAttribute('data-link'), 'live');
  });

  it('follows the job through its phases and epochs without being loaded again', async () => {
    const job = early.page.locator(`[data-job="${result.job_id}"]`);
    await job.and(early.page.locator('[data-phase="done"]')).waitFor({ timeout: SHOWN_MS });
    const phases = await early.phases(result.job_id);
    for (const phase of ['training', 'done']) assert.ok(phases.includes(phase), phases.join(', '));
    const epochs = await early.epochs();
    assert.ok(epochs.length >= 2, `the curve was seen with ${epochs.join(', ')} epochs`);
    assert.deepEqual(
      epochs,
      [...epochs].sort((a, b) => a - b),
      'it only grew',
    );
    assert.equal(early.loads(), 1);
  });

  it('draws the curve', async () => {
    const painted = await early.page.locator('.plot canvas').evaluate((canvas: HTMLCanvasElement) => {
      const pixels = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
      return pixels.filter((_, index) => index % 4 === 3).filter((alpha) => alpha > 0).length;
    });
    assert.ok(painted > 500, `${painted} pixels are painted`);
    const caption = early.page.locator('.curve figcaption');
    assert.match(await textOf(caption), /after \d+ epochs, training loss 0?\.?\d.*validation loss/);
  });

  it('shows the trained model, and its notes as plain text', async () => {
    const row = early.page.locator(`[data-model="${result.models[0]?.id}"]`);
    await row.waitFor({ timeout: SHOWN_MS });
    const text = await textOf(row);
    const notes = SCREENSHOT === undefined ? [HTML] : [];
    for (const part of ['flies', 'latest-centroid', 'centroid', 'tested', 'worker-1', ...notes]) {
      assert.ok(text.includes(part), `${part} in ${text}`);
    }
    assert.equal(await row.locator('img, b').count(), 0);
  });

  it('shows the worker’s state: free again, with the model on disk', async () => {
    const worker = early.page.locator('[data-worker="worker-1"]');
    await worker.locator('[data-status="available"]').waitFor({ timeout: SHOWN_MS });
    assert.match(await textOf(worker), /Free/);
  });

  it('links to the job in the Temporal UI', async () => {
    const link = early.page.getByRole('link', { name: 'open in Temporal' });
    const address = (await link.getAttribute('href')) ?? '';
    assert.equal(address, result.temporal_ui_url);
    assert.equal((await fetch(address)).status, 200);
  });

  it('links to the model’s files, byte for byte', async () => {
    const row = early.page.locator(`[data-model="${result.models[0]?.id}"]`);
    await row.getByRole('button', { name: 'Download' }).click();
    const link = early.page.getByRole('link', { name: 'best.ckpt' });
    await link.waitFor({ timeout: SHOWN_MS });
    const bytes = new Uint8Array(await (await fetch((await link.getAttribute('href')) ?? '')).arrayBuffer());
    const own = await readFile(join(result.models[0]?.path ?? '', 'best.ckpt'));
    assert.equal(sha256(bytes), sha256(own));
    await row.getByRole('button', { name: 'Close' }).click();
  });

  it('shows a page that is opened late the whole curve and the job’s end', async () => {
    const late = await openPage(browser, invite);
    const curve = late.page.locator('[data-epochs]');
    await curve.waitFor({ timeout: SHOWN_MS });
    assert.equal(await curve.getAttribute('data-epochs'), String((await early.epochs()).at(-1)));
    late.assertClean();
    await late.page.close();
  });

  it('stays in the room after a reload, and removes the invite when the reader leaves', async () => {
    const page = await openPage(browser, invite);
    await page.page.reload();
    await page.page.getByRole('heading', { name: room.id }).waitFor({ timeout: SHOWN_MS });
    await page.page.getByRole('button', { name: 'Leave' }).click();
    await page.page.reload();
    await page.page.getByRole('button', { name: 'Enter the room' }).waitFor({ timeout: SHOWN_MS });
    await page.page.close();
  });

  it('takes room and token in a form if there is no invite', async () => {
    const { page, assertClean } = await openPage(browser, room.stack.serverUrl);
    await page.getByLabel('Room').fill(room.id);
    await page.getByLabel('Token').fill(room.token);
    await page.getByRole('button', { name: 'Enter the room' }).click();
    await page.locator('[data-worker="worker-1"]').waitFor({ timeout: SHOWN_MS });
    assertClean();
    await page.close();
  });

  it('shows nothing of the room without its token', async () => {
    const wrong = invite.replace(/token=.*/, 'token=wrong');
    const { page } = await openPage(browser, wrong, { expected: /403/ });
    await page.getByRole('alert').waitFor({ timeout: SHOWN_MS });
    const text = await textOf(page.locator('body'));
    assert.match(text, /ask the person who created the room for a new invite/);
    assert.doesNotMatch(text, /worker-1|flies|centroid/);
    assert.equal(await page.evaluate(() => sessionStorage.getItem('sleap-rtc.invite')), null);
    await page.close();
  });

  it('shows why a job failed and what to do', async () => {
    const refused = await configWith(join(room.folder, 'refused.yaml'), 'trainer_config', 'no_such_key: 3');
    const ended = await room.cli([
      'train',
      fliesLabels(room.tools),
      '--config',
      refused,
      '-o',
      join(room.folder, 'no'),
    ]);
    assert.equal(ended.exitCode, 2, ended.stderr);
    const error = early.page.locator('[data-phase="failed"] [data-code="CONFIG_REFUSED"]');
    await error.waitFor({ timeout: SHOWN_MS });
    assert.match(await textOf(error), /no_such_key.*Correct the key that the message names/s);
    early.assertClean();
  });

  it('shows that a job is paused, and that the training of a model was stopped early', async () => {
    const long = join(room.folder, 'long.yaml');
    await writeFile(long, (await readFile(FLIES_CONFIG, 'utf8')).replace(/max_epochs: \d+/, 'max_epochs: 500'));
    const out = join(room.folder, 'stopped');
    const training = room.cli(['train', fliesLabels(room.tools), '--config', long, '-o', out, '--json']);
    await training.untilShown(/epoch 1\/500/);
    const [job] = Jobs.parse(await room.json(['jobs', 'list'])).jobs;
    assert.ok(job);
    await room.json(['jobs', 'pause', job.job_id]);
    const card = early.page.locator(`[data-job="${job.job_id}"]`);
    const pill = card.locator('.pill[data-phase="paused"]');
    await pill.waitFor({ timeout: SHOWN_MS });
    assert.equal(await textOf(pill), 'Paused');
    await room.json(['jobs', 'stop', job.job_id]);
    const ended = await training;
    assert.equal(ended.exitCode, 0, ended.stderr);
    assert.doesNotMatch(training.shown(), /epoch 40\//, 'it ended when it was stopped');
    const [model] = TrainResult.parse(JSON.parse(ended.stdout)).models;
    const row = early.page.locator(`[data-model="${model?.id}"]`);
    await row.getByText('stopped early').waitFor({ timeout: SHOWN_MS });
    await card.locator('.card-head').click();
    await card
      .locator('.details')
      .getByText(/, stopped early/)
      .waitFor({ timeout: SHOWN_MS });
    early.assertClean();
  });

  it('fits a phone: nothing is wider than the window', async () => {
    await early.page.setViewportSize({ width: 360, height: 740 });
    const [content, window] = await early.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return [scrollWidth, clientWidth];
    });
    assert.equal(content, window);
  });

  if (SCREENSHOT !== undefined) {
    it('is drawn for the documents, while a job runs', async () => {
      const running = room.cli([...train, '--retrain', '-o', join(room.folder, 'again')]);
      const { page } = await openPage(browser, invite);
      await page.setViewportSize({ width: 1180, height: 900 });
      await page.locator('[data-epochs="26"]').waitFor({ timeout: 120_000 });
      const path = resolve(SCREENSHOT);
      await mkdir(dirname(path), { recursive: true });
      await page.screenshot({ path, fullPage: true });
      assert.equal((await running).exitCode, 0);
    });
  }
});

async function textOf(place: Locator): Promise<string> {
  return (await place.textContent()) ?? '';
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
