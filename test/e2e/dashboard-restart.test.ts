import assert from 'node:assert/strict';
import pino from 'pino';
import { startSignalingServer } from '../../signaling/server.ts';
import { newRoom, type TestRoom } from '../../signaling/testing/test-room.ts';
import { startTestServers, type TestServers } from '../../signaling/testing/test-servers.ts';
import { startBrowser } from '../support/browser.ts';
import { openPage } from '../support/page-watch.ts';

const logger = pino({ level: 'silent' });
const SHOWN_MS = 20_000;
/** Text that a peer may report of itself. The server passes it on unchanged. */
const HOSTILE = '<img src=x onerror="document.title=1">';

describe('the room’s page, while servers restart', function () {
  this.timeout(120_000);
  let servers: TestServers;
  let browser: Awaited<ReturnType<typeof startBrowser>>;

  before(async () => {
    servers = await startTestServers(['s3', 'dynamodb', 'cognito']);
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.[Symbol.asyncDispose]();
    await servers?.[Symbol.asyncDispose]();
  });

  const join = (room: TestRoom, name: string) =>
    room.join(name, {
      role: 'worker',
      metadata: { tags: [HOSTILE], properties: { gpu_model: HOSTILE, status: HOSTILE, models: [HOSTILE] } },
    });

  it('shows the last known state while Temporal is unavailable, and is live again after a restart of the signaling server', async () => {
    const first = await startSignalingServer(servers.config, { logger, aws: servers.aws() });
    const { port } = new URL(first.url);
    const room = await newRoom(first.url);
    const worker = await join(room, 'worker-1');
    const invite = `${first.url}/#${new URLSearchParams({ room: room.room_id, token: room.token })}`;
    const watched = await openPage(browser, invite, { expected: /503|ERR_CONNECTION_REFUSED|WebSocket/ });
    const { page } = watched;
    const link = (state: string) => page.locator(`[data-link="${state}"]`).waitFor({ timeout: SHOWN_MS });

    await link('live');
    const card = page.locator('[data-worker="worker-1"]');
    await card.waitFor({ timeout: SHOWN_MS });
    assert.equal((await card.textContent())?.split(HOSTILE).length, 5, 'all reports of a worker are shown as text');
    assert.equal(await card.locator('img').count(), 0);
    await page.getByText('Tell the lab’s admin that Temporal is unavailable').waitFor({ timeout: SHOWN_MS });

    const sent = worker.closed;
    await first.stop();
    await sent;
    await link('lost');
    await page.getByText('The server cannot be reached').first().waitFor({ timeout: SHOWN_MS });

    const config = { ...servers.config, port: Number(port) };
    const second = await startSignalingServer(config, { logger, aws: servers.aws() });
    try {
      await link('live');
      const back = await join(room, 'worker-2');
      await page.locator('[data-worker="worker-2"]').waitFor({ timeout: SHOWN_MS });
      await back.close();
      await page.locator('[data-worker="worker-2"]').waitFor({ state: 'detached', timeout: SHOWN_MS });
      assert.equal(watched.loads(), 1);
      watched.assertClean();
    } finally {
      await page.close();
      await second.stop();
    }
  });
});
