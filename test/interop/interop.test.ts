import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import { loopbackIfAlone } from '../../transport/ice/local-addresses.ts';
import {
  acceptPeers,
  connectPeer,
  describeFiles,
  receiveFiles,
  type SignalingClient,
  type SourceFile,
  sendFiles,
} from '../../transport/index.ts';
import { enginePairings } from '../../transport/testing/engine-pairings.ts';
import { join as joinRoom, TEST_ROOM_KEY } from '../../transport/testing/join.ts';
import { Owned } from '../../transport/testing/owned.ts';
import { temporaryFolder } from '../../transport/testing/temporary-folder.ts';
import { TestSignaling } from '../../transport/testing/test-signaling.ts';
import { aiortc } from './aiortc.ts';
import { chromium } from './chromium.ts';
import type { ReferencePeer, ReferenceStack, ReferenceTask } from './reference-peer.ts';

const MiB = 1024 * 1024;
const OTHER_KEY = Buffer.alloc(32, 'another key').toString('base64url');
const PURPOSE = { job_id: 'job00001', kind: 'dataset' } as const;
const US = { worker: 'worker-us', client: 'client-us' };
const THEM = { worker: 'worker-them', client: 'client-them' };

/** aiortc needs the CPU for 20 MB/s, so it moves less. */
const STACKS = [
  { name: 'aiortc', launch: aiortc, largestBytes: 7 * MiB + 4321 },
  { name: 'Chromium', launch: chromium, largestBytes: 22 * MiB + 4321 },
];
const engines = (await enginePairings()).filter(({ offerer, answerer }) => offerer === answerer);

for (const { name, launch, largestBytes } of STACKS) {
  describe(`${name}, which implements our protocol without our code`, function () {
    this.timeout(60_000);
    let stack: ReferenceStack;

    before(async function () {
      this.timeout(300_000); // the first time, aiortc is installed
      // Neither uses the loopback address, so a sandbox without network has no path for them.
      if (loopbackIfAlone() !== undefined) this.skip();
      stack = await launch();
    });
    after(() => stack?.[Symbol.asyncDispose]());

    for (const { offerer: webRtc } of engines) {
      describe(`and ${webRtc}`, () => {
        const owned = new Owned();
        let signaling: TestSignaling;
        /** The peers from which an offer has come, once for each attempt. */
        let attempts: string[];
        /** To break one message of an attempt. */
        let tamper: (message: ServerMessage) => ServerMessage;
        let peer: ReferencePeer;
        let from: string;
        let to: string;
        let files: SourceFile[];
        let offered: FileEntry[];
        const blocks = Math.ceil(largestBytes / MiB) + 1;
        const half = Math.floor(blocks / 2);

        beforeEach(async () => {
          signaling = owned.add(await TestSignaling.start());
          attempts = [];
          tamper = (message) => message;
          signaling.intercept = (message) => {
            if (message.type === 'offer') attempts.push(message.sender);
            return tamper(message);
          };
          peer = owned.add(await stack.peer());
          from = owned.add(await temporaryFolder()).path;
          to = owned.add(await temporaryFolder()).path;
          await write('labels.pkg.slp', largestBytes);
          await write('videos/mouse é.mp4', MiB);
          await write('videos/empty.yaml', 0);
          files = await describeFolder(from);
          offered = files.map(({ entry }) => entry);
        });
        afterEach(owned.end);

        async function write(path: string, bytes: number): Promise<void> {
          await mkdir(dirname(join(from, path)), { recursive: true });
          await writeFile(join(from, path), randomBytes(bytes));
        }

        const task = (part: ReferenceTask['part'], peerId: string, offerTo?: string): ReferenceTask => ({
          part,
          serverUrl: signaling.url,
          roomKey: TEST_ROOM_KEY,
          peerId,
          folder: from,
          ...(offerTo !== undefined && { offerTo }),
        });
        const enter = async (peerId: string) => owned.add(await joinRoom(signaling.url, peerId, { webRtc }));

        /** Serves our files to every peer that connects; resolves with how the first transfer ended. */
        function serve(client: SignalingClient): Promise<PromiseSettledResult<void>> {
          const ended = Promise.withResolvers<PromiseSettledResult<void>>();
          owned.add(
            acceptPeers(client, async (connection) => {
              const [outcome] = await Promise.allSettled([sendFiles(await connection.acceptChannel(), files)]);
              ended.resolve(outcome);
              await connection.closed;
            }),
          );
          return ended.promise;
        }

        /** Fetches the other peer's files as a worker does. */
        async function fetch(worker: SignalingClient): Promise<FileEntry[]> {
          const connection = await connectPeer(worker, { peerId: THEM.client, purpose: PURPOSE });
          try {
            return await receiveFiles(await connection.openChannel('dataset'), to, { expected: offered });
          } finally {
            await connection.close();
          }
        }

        it('fetches files from us', async () => {
          const ended = serve(await enter(US.client));
          const run = await peer.start(task('receive', THEM.worker, US.client));
          await run.until(({ done }) => done === files.length);
          assert.deepEqual(await ended, { status: 'fulfilled', value: undefined });
          assert.equal(run.blocks, blocks);
          assert.deepEqual(byPath(await peer.received()), byPath(offered));
          assert.equal(attempts.length, 1);
        });

        it('serves files to us', async () => {
          const run = await peer.start(task('send', THEM.client));
          assert.deepEqual(byPath(await fetch(await enter(US.worker))), byPath(offered));
          await run.until(({ done }) => done === files.length);
          assert.equal(run.blocks, blocks);
          assert.deepEqual(byPath((await describeFolder(to)).map(({ entry }) => entry)), byPath(offered));
          assert.equal(attempts.length, 1);
        });

        for (const offers of [true, false]) {
          it(`is made in a second attempt if the first fails, ${offers ? 'offering' : 'answering'}`, async () => {
            let answers = 0;
            tamper = (message) => {
              if (message.type !== 'answer') return message;
              answers += 1;
              return answers === 1 ? { ...message, sdp: message.sdp.replace(/^a=fingerprint:.*\r?\n/gm, '') } : message;
            };
            if (offers) {
              void serve(await enter(US.client));
              const run = await peer.start(task('receive', THEM.worker, US.client));
              await run.until(({ done }) => done === files.length);
              assert.deepEqual(byPath(await peer.received()), byPath(offered));
            } else {
              await peer.start(task('send', THEM.client));
              assert.deepEqual(byPath(await fetch(await enter(US.worker))), byPath(offered));
            }
            const offerer = offers ? THEM.worker : US.worker;
            assert.deepEqual(attempts, [offerer, offerer]);
          });
        }

        it('is cut off while it fetches, and then fetches only the rest', async () => {
          const worker = await enter(US.worker);
          const first = await peer.start(task('receive', THEM.client));
          const push = async () => {
            const connection = await connectPeer(worker, {
              peerId: THEM.client,
              purpose: { ...PURPOSE, kind: 'results' },
            });
            try {
              await sendFiles(await connection.openChannel('results'), files);
            } finally {
              await connection.close();
            }
          };
          const cutOff = assert.rejects(push(), { code: 'PEER_GONE' });
          await first.until(({ blocks = 0 }) => blocks >= half);
          await first.cut();
          await cutOff;
          const blocksBefore = first.blocks;
          assert.ok(blocksBefore < blocks, 'it was cut off too late for this test');
          const second = await peer.start(task('receive', THEM.client));
          await push();
          await second.until(({ done }) => done === files.length);
          assert.ok(
            second.blocks <= blocks - blocksBefore,
            `${blocksBefore} and ${second.blocks} of ${blocks} blocks were sent`,
          );
          assert.deepEqual(byPath(await peer.received()), byPath(offered));
          assert.equal(attempts.length, 2);
        });

        it('is cut off while it serves, and is then asked only for the rest', async () => {
          const client = await enter(US.client);
          const take = () => {
            const ended = Promise.withResolvers<PromiseSettledResult<FileEntry[]>>();
            const accepting = acceptPeers(client, async (connection) => {
              const receiving = connection.acceptChannel().then((channel) => receiveFiles(channel, to));
              ended.resolve((await Promise.allSettled([receiving]))[0]);
            });
            return ended.promise.finally(() => accepting.close());
          };
          const cutOff = take();
          const first = await peer.start(task('send', THEM.worker, US.client));
          await first.until(({ blocks = 0 }) => blocks >= half);
          await first.cut();
          const failed = await cutOff;
          assert.equal(failed.status === 'rejected' && failed.reason.code, 'PEER_GONE');
          const taken = take();
          const second = await peer.start(task('send', THEM.worker, US.client));
          await second.until(({ done }) => done === files.length);
          assert.equal((await taken).status, 'fulfilled');
          // What it had handed to its stack when it was cut off has to be sent again: 1 MiB in its own buffer, up to 2 MiB that
          // we had not read yet, and a block begun at each side.
          const again = first.blocks + second.blocks - blocks;
          assert.ok(again <= 5, `${first.blocks} and ${second.blocks} of ${blocks} blocks were sent`);
          assert.deepEqual(byPath((await describeFolder(to)).map(({ entry }) => entry)), byPath(offered));
          assert.equal(attempts.length, 2);
        });

        for (const offers of [true, false]) {
          it(`with another room key is refused, ${offers ? 'offering' : 'answering'}`, async () => {
            const refused = Promise.withResolvers<Error>();
            if (offers) {
              const handler = () => Promise.reject(new Error('it was served'));
              owned.add(acceptPeers(await enter(US.client), handler, { onNotProven: refused.resolve }));
            }
            const wrong = task('receive', offers ? THEM.worker : THEM.client, offers ? US.client : undefined);
            const run = await peer.start({ ...wrong, roomKey: OTHER_KEY });
            if (!offers)
              fetch(await enter(US.worker)).then(() => refused.reject(new Error('it was served')), refused.resolve);
            const { error } = await run.until((report) => report.error !== undefined);
            assert.equal(error, 'PEER_NOT_PROVEN');
            assert.equal(((await refused.promise) as SleapRtcError).code, 'PEER_NOT_PROVEN');
            assert.equal(attempts.length, 1);
          });
        }
      });
    }
  });
}

function byPath(files: FileEntry[]): FileEntry[] {
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

async function describeFolder(folder: string): Promise<SourceFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return describeFiles(paths.map((absolutePath) => ({ absolutePath, path: relative(folder, absolutePath) })));
}
