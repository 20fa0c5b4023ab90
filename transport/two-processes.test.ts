import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execaNode } from 'execa';
import { connectPeer } from './connection/connect-peer.ts';
import type { WebRtcChoice } from './engine-choice/web-rtc-choice.ts';
import { PARTIAL_FOLDER } from './file-transfer/disk/partial-file.ts';
import { BLOCK_BYTES } from './file-transfer/wire/limits.ts';
import { enginePairings } from './testing/engine-pairings.ts';
import { join as joinRoom } from './testing/join.ts';
import { Owned } from './testing/owned.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';
import { TestSignaling } from './testing/test-signaling.ts';

const CHILD = fileURLToPath(new URL('./testing/transfer-child.ts', import.meta.url));
/** `receive-half` dies when half of the file has arrived. */
const SIZE = 24 * BLOCK_BYTES + 1234;

interface Report {
  ready?: boolean;
  connected_ms?: number;
  received?: number;
  sent?: number;
  progress?: { bytes: number; total_bytes: number };
}

for (const { name, offerer, answerer } of await enginePairings()) {
  describe(`two processes, ${name}`, () => {
    const owned = new Owned();
    let server: TestSignaling;
    let from: string;
    let to: string;
    let content: Buffer;

    beforeEach(async () => {
      server = owned.add(await TestSignaling.start());
      from = owned.add(await temporaryFolder()).path;
      to = owned.add(await temporaryFolder()).path;
      content = randomBytes(SIZE);
      await writeFile(join(from, 'labels.pkg.slp'), content);
    });
    afterEach(owned.end);

    function start(role: string, folder: string): Child {
      const webRtc = role.startsWith('receive') ? offerer : answerer;
      return owned.add(new Child({ role, serverUrl: server.url, folder, webRtc }));
    }

    it('move a dataset over WebRTC', async () => {
      const sender = start('send', from);
      await sender.until((report) => report.ready === true);
      const receiver = start('receive', to);
      const { connected_ms } = await receiver.until((report) => report.connected_ms !== undefined);
      assert.ok((connected_ms ?? Number.POSITIVE_INFINITY) < 2_000, `connecting took ${connected_ms} ms`);
      await Promise.all([
        receiver.until((report) => report.received === 1),
        sender.until((report) => report.sent === 1),
        receiver.exited,
      ]);
      assert.ok(content.equals(await readFile(join(to, 'labels.pkg.slp'))));
    });

    it('go on after the receiver was killed half-way, and move only the missing blocks', async () => {
      const sender = start('send', from);
      await sender.until((report) => report.ready === true);
      const first = start('receive-half', to);
      await first.exited;
      assert.deepEqual(await readdir(to), [PARTIAL_FOLDER]);
      const journal = (await readdir(join(to, PARTIAL_FOLDER))).find((name) => name.endsWith('.journal'));
      const kept = (await stat(join(to, PARTIAL_FOLDER, String(journal)))).size / 4;
      assert.ok(kept >= 10 && kept < 13, `${kept} blocks were kept`);

      const second = start('receive', to);
      const { progress } = await second.until((report) => report.progress !== undefined);
      assert.ok(progress !== undefined && progress.bytes >= kept * BLOCK_BYTES, 'what was kept counts from the start');
      await second.until((report) => report.received === 1);
      assert.ok(content.equals(await readFile(join(to, 'labels.pkg.slp'))));
    });

    it('go on after the sender was killed half-way and started again', async () => {
      const dying = start('send-half', from);
      await dying.until((report) => report.ready === true);
      const first = start('receive', to);
      await Promise.all([dying.exited, first.exited]);
      assert.deepEqual(await readdir(to), [PARTIAL_FOLDER]);
      const journal = (await readdir(join(to, PARTIAL_FOLDER))).find((name) => name.endsWith('.journal'));
      // What was in the dead sender's buffers was not sent, so there is no lower bound for what was saved.
      const kept = (await stat(join(to, PARTIAL_FOLDER, String(journal)))).size / 4;
      assert.ok(kept < 13, `${kept} blocks were kept`);

      const sender = start('send', from);
      await sender.until((report) => report.ready === true);
      const second = start('receive', to);
      const { progress } = await second.until((report) => report.progress !== undefined);
      assert.ok(progress !== undefined && progress.bytes >= kept * BLOCK_BYTES, 'what was kept counts from the start');
      await second.until((report) => report.received === 1);
      assert.ok(content.equals(await readFile(join(to, 'labels.pkg.slp'))));
    });

    it('notice within 5 s that the other was killed, whether idle or sending', async () => {
      const idle = start('idle', from);
      await idle.until((report) => report.ready === true);
      const signaling = owned.add(await joinRoom(server.url, 'worker-1', { webRtc: offerer }));
      const connection = owned.add(
        await connectPeer(signaling, { peerId: 'client-1', purpose: { job_id: 'job00001', kind: 'dataset' } }),
      );
      const [quiet, busy] = await Promise.all([connection.openChannel('quiet'), connection.openChannel('busy')]);
      const reading = (async () => {
        for await (const _ of quiet.messages);
      })();
      const sending = (async () => {
        for (;;) await busy.send(randomBytes(60_000));
      })();
      const outcomes = Promise.allSettled([reading, sending]);
      await busy.send('one more');
      await idle.close();
      const killedAt = performance.now();
      const codes = (await outcomes).map((result) => result.status === 'rejected' && result.reason.code);
      const tookMs = performance.now() - killedAt;
      assert.deepEqual(codes, ['PEER_GONE', 'PEER_GONE']);
      assert.ok(tookMs < 5_000, `it took ${tookMs} ms`);
      await connection.closed;
    });
  });
}

function spawn(args: string[], webRtc: WebRtcChoice) {
  return execaNode(CHILD, args, {
    env: { SLEAP_RTC_WEBRTC: webRtc },
    stdin: 'ignore',
    stderr: 'inherit',
    reject: false,
    nodeOptions: ['--disable-warning=ExperimentalWarning'],
  });
}

/** A child process and its reports. Closing it kills it with SIGKILL. */
class Child {
  readonly exited: Promise<unknown>;
  readonly #process: ReturnType<typeof spawn>;
  readonly #reports: Report[] = [];
  #wake = Promise.withResolvers<void>();
  #ended = false;

  constructor(of: { role: string; serverUrl: string; folder: string; webRtc: WebRtcChoice }) {
    this.#process = spawn([of.role, of.serverUrl, 'client-1', of.folder], of.webRtc);
    this.exited = this.#process;
    void this.#read();
  }

  /** The first report for which `wanted` is true. Rejects if the child ends without one. */
  async until(wanted: (report: Report) => boolean): Promise<Report> {
    for (;;) {
      const found = this.#reports.find(wanted);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the child ended after ${JSON.stringify(this.#reports.at(-1))}`);
      await this.#wake.promise;
    }
  }

  async close(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#process;
  }

  async #read(): Promise<void> {
    for await (const line of this.#process.iterable()) {
      this.#reports.push(JSON.parse(String(line)));
      this.#wakeUp();
    }
    this.#ended = true;
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
