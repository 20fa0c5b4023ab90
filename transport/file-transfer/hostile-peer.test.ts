import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { SleapRtcError } from '../../protocol/errors.ts';
import { MAX_FILES } from '../../protocol/files.ts';
import { channelPair, type TestChannel } from '../testing/channel-pair.ts';
import { Owned } from '../testing/owned.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { describeFiles } from './disk/describe-files.ts';
import { receiveFiles } from './receive/receive-files.ts';
import { sendFiles } from './send/send-files.ts';
import { BLOCK_BYTES } from './wire/limits.ts';
import { HELLO, parseMessage, ReceiverMessage, SenderMessage } from './wire/messages.ts';
import { decodePiece, encodePiece } from './wire/pieces.ts';

/** Numbers at the bounds of 32 bits and of a file's size, and values that are no such numbers. */
const number = fc.oneof(
  fc.nat({ max: 3 }),
  fc.constantFrom(-1, 0.5, 1024, 1025, 65, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 'one', null),
);
const path = fc.oneof(
  fc.constantFrom(
    'a',
    'a/b',
    'B',
    'b',
    '../up',
    '/etc/x',
    '.sleap-rtc-partial/x',
    'nul',
    'é',
    'e\u0301',
    '__proto__',
    '',
  ),
  fc.string(),
);
const SHA256 = fc.constantFrom('a'.repeat(64), 'b'.repeat(64), 'B'.repeat(64), '');
const entry = fc.record({ path, size_bytes: number, sha256: SHA256 });
const text = fc
  .oneof(
    fc.record({ type: fc.constant('hello'), protocol: fc.constantFrom('sleap-rtc-files', 'x'), version: number }),
    fc.record({ type: fc.constant('offer'), files: fc.array(entry, { maxLength: 3 }), last: fc.boolean() }),
    fc.record({
      type: fc.constantFrom('hashes', 'want'),
      file: number,
      first: number,
      count: number,
      had_bytes: number,
    }),
    fc.record({ type: fc.constantFrom('done', 'busy', 'goodbye', 'constructor'), had_bytes: number }),
    fc.record({
      type: fc.constant('error'),
      code: fc.constantFrom('DISK_FULL', '__proto__', 'x'),
      message: fc.string(),
    }),
    fc.jsonValue(),
  )
  .map((value) => JSON.stringify(value));
const OFFER = JSON.stringify({
  type: 'offer',
  last: true,
  files: [
    { path: 'a', size_bytes: BLOCK_BYTES + 7, sha256: 'a'.repeat(64) },
    { path: 'b', size_bytes: 100, sha256: 'b'.repeat(64) },
  ],
});
const index = fc.constantFrom(0, 1, 2, 2 ** 32 - 1);
/** Messages that a receiver of `OFFER` may send. */
const asked = fc
  .constantFrom(
    { kind: 'hashes' as const, file: 0, block: 0, offset: 0, data: new Uint8Array(64) },
    { kind: 'data' as const, file: 1, block: 0, offset: 0, data: new Uint8Array(60) },
    { kind: 'data' as const, file: 1, block: 0, offset: 60, data: new Uint8Array(40) },
    { kind: 'data' as const, file: 0, block: 1, offset: 0, data: new Uint8Array(7) },
  )
  .map(encodePiece);
const piece = fc
  .record({
    kind: fc.constantFrom('data' as const, 'hashes' as const),
    file: index,
    block: index,
    offset: index,
    data: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  })
  .map(encodePiece);
const message = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 3, arbitrary: asked },
  piece,
  fc.uint8Array({ maxLength: 40 }),
  fc.string(),
);

/** Whatever a peer sends may only end the transfer, with one of the errors that are documented. */
async function assertNamed(transfer: Promise<unknown>): Promise<void> {
  const [outcome] = await Promise.allSettled([transfer]);
  if (outcome.status === 'fulfilled') return;
  assert.ok(outcome.reason instanceof SleapRtcError, String(outcome.reason?.stack));
  assert.notEqual(outcome.reason.code, 'INTERNAL', outcome.reason.stack);
}

async function sayAll(channel: TestChannel, messages: readonly (string | Uint8Array)[]): Promise<void> {
  for (const one of messages) await channel.send(one).catch(() => undefined);
  await channel.close();
}

describe('a peer that sends anything at all', function () {
  this.timeout(30_000);
  const owned = new Owned();
  afterEach(owned.end);

  it('makes the reader throw a named error, or nothing', () => {
    const check = (read: () => unknown) => {
      try {
        read();
      } catch (error) {
        assert.ok(error instanceof SleapRtcError, String(error));
      }
    };
    fc.assert(
      fc.property(message, (sent) => {
        if (typeof sent !== 'string') return check(() => decodePiece(sent));
        check(() => parseMessage(SenderMessage, sent));
        check(() => parseMessage(ReceiverMessage, sent));
      }),
      { numRuns: 2_000 },
    );
  });

  it('as the sender ends the transfer with a named error, and nothing is written elsewhere', async () => {
    const offer = fc
      .array(entry, { maxLength: 3 })
      .map((files) => JSON.stringify({ type: 'offer', files, last: true }));
    const script = fc.tuple(fc.oneof(offer, fc.constant(OFFER)), fc.array(message, { maxLength: 8 }));
    await fc.assert(
      fc.asyncProperty(script, async ([offered, messages]) => {
        const outer = await temporaryFolder();
        try {
          const [sender, receiver] = channelPair();
          const receiving = assertNamed(receiveFiles(receiver, join(outer.path, 'to')));
          await sayAll(sender, [JSON.stringify(HELLO), offered, ...messages]);
          await receiving;
          assert.ok((await readdir(outer.path)).every((name) => name === 'to'));
        } finally {
          await outer.close();
        }
      }),
      { numRuns: 300 },
    );
  });

  it('as the sender cannot fill the memory with an endless offer', async () => {
    const folder = owned.add(await temporaryFolder()).path;
    const [sender, receiver] = channelPair();
    const receiving = receiveFiles(receiver, folder);
    const files = Array.from({ length: 1_000 }, (_, i) => ({ path: `f${i}`, size_bytes: 0, sha256: 'a'.repeat(64) }));
    const flooding = async () => {
      let sent = 0;
      for (; sent <= 3 * MAX_FILES; sent += files.length) {
        await sender.send(JSON.stringify({ type: 'offer', files, last: false }));
      }
      return sent;
    };
    await assert.rejects(Promise.race([receiving, flooding()]), { code: 'MESSAGE_INVALID' });
    await sender.close();
  });

  it('as the receiver ends the transfer with a named error', async () => {
    const folder = owned.add(await temporaryFolder()).path;
    await mkdir(join(folder, 'x'));
    const made = { 'two-blocks': BLOCK_BYTES + 7, 'x/small': 100, empty: 0 };
    for (const [name, bytes] of Object.entries(made)) await writeFile(join(folder, name), randomBytes(bytes));
    const files = await describeFiles(
      Object.keys(made).map((name) => ({ path: name, absolutePath: join(folder, name) })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(message, { maxLength: 8 }), async (messages) => {
        const [sender, receiver] = channelPair();
        const sending = assertNamed(sendFiles(sender, files));
        await sayAll(receiver, [JSON.stringify(HELLO), ...messages]);
        await sending;
      }),
      { numRuns: 300 },
    );
  });
});
