import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { channelPair, type TestChannel } from '../../testing/channel-pair.ts';
import { Owned } from '../../testing/owned.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { describeFiles, type SourceFile } from '../disk/describe-files.ts';
import { PARTIAL_FOLDER } from '../disk/partial-file.ts';
import { receiveFiles } from '../receive/receive-files.ts';
import { sendFiles } from '../send/send-files.ts';
import { BLOCK_BYTES, PIECE_HEADER_BYTES } from '../wire/limits.ts';
import type { TransferSide } from '../wire/transfer-channel.ts';
import { withStripes } from './stripe-channels.ts';
import { StripeGroup } from './stripe-group.ts';
import { StripeLobby } from './stripe-lobby.ts';

const BLOCKS = 60;

describe('a transfer over several channels', () => {
  const owned = new Owned();
  let from: string;
  let to: string;
  let files: SourceFile[];

  beforeEach(async () => {
    from = owned.add(await temporaryFolder()).path;
    to = owned.add(await temporaryFolder()).path;
    const absolutePath = join(from, 'video.mp4');
    await writeFile(absolutePath, randomBytes(BLOCKS * BLOCK_BYTES));
    files = await describeFiles([{ absolutePath, path: 'video.mp4' }]);
  });
  afterEach(owned.end);

  /**
   * Transfers on `count` channels. The further ones are added when the receiver requests the first block. `arrange` gets the two
   * ends of each channel. A plain side does not know of further channels.
   */
  async function transfer(
    count: number,
    arrange: (place: number, sender: TestChannel, receiver: TestChannel) => void = () => undefined,
    { plainSender = false, plainReceiver = false } = {},
  ) {
    const pairs = Array.from({ length: count }, () => channelPair());
    const lobby = new StripeLobby();
    let receiving: StripeGroup | undefined;
    for (const [place, [sender, receiver]] of pairs.entries()) arrange(place, sender, receiver);
    const [first, ...others] = pairs;
    assert.ok(first);
    const joining: Promise<void>[] = [];
    const [sender, receiver] = first;
    const inner = receiver.tamper;
    receiver.tamper = (message) => {
      if (joining.length === 0 && typeof message === 'string' && message.includes('"want"')) {
        for (const [a, b] of others) {
          const adding = receiving?.add({ channel: b, close: () => b.close() });
          joining.push(lobby.join(a), adding ?? b.close());
        }
      }
      return inner(message);
    };
    const group = (side: TransferSide) => {
      receiving = new StripeGroup(side, receiver, { lobby: new StripeLobby() });
      return receiving;
    };
    const results = await Promise.allSettled([
      sendFiles(plainSender ? sender : withStripes(sender, { lobby }), files),
      receiveFiles(plainReceiver ? receiver : Object.assign(receiver, { group }), to),
    ]);
    await Promise.all(joining);
    const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'ok'));
    return { codes, sentBytes: pairs.map(([sender]) => blockBytes(sender)) };
  }

  function blockBytes(channel: TestChannel): number {
    return channel.sent
      .filter((message) => typeof message !== 'string' && message[0] === 1)
      .reduce((sum, message) => sum + message.length - PIECE_HEADER_BYTES, 0);
  }

  /** Cuts a channel when it has sent this many pieces. */
  function cutAfter(sender: TestChannel, pieces: number): void {
    let left = pieces;
    sender.tamper = (message) => {
      if (typeof message !== 'string') left -= 1;
      if (left === 0) setImmediate(() => sender.cut());
      return message;
    };
  }

  async function assertArrived(): Promise<void> {
    assert.ok((await readFile(join(from, 'video.mp4'))).equals(await readFile(join(to, 'video.mp4'))));
    assert.ok(!(await readdir(to)).includes(PARTIAL_FOLDER), 'nothing unfinished is left');
  }

  it('uses all of them, and sends each block once', async () => {
    const { codes, sentBytes } = await transfer(3);
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.ok(
      sentBytes.every((bytes) => bytes > 5 * BLOCK_BYTES),
      `${sentBytes} bytes went over the channels`,
    );
    assert.equal(sum(sentBytes), BLOCKS * BLOCK_BYTES);
    await assertArrived();
  });

  for (const place of [0, 1]) {
    it(`goes on when channel ${place} is cut, and sends at most two of its blocks again`, async () => {
      const { codes, sentBytes } = await transfer(3, (at, sender) => at === place && cutAfter(sender, 100));
      assert.deepEqual(codes, ['ok', 'ok']);
      const again = sum(sentBytes) - BLOCKS * BLOCK_BYTES;
      assert.ok(again >= 0 && again <= 2 * BLOCK_BYTES, `${again} bytes were sent again`);
      await assertArrived();
    });
  }

  it('fails when all are cut, and the next attempt requests only what is missing', async () => {
    const first = await transfer(3, (_, sender) => cutAfter(sender, 100));
    assert.deepEqual(first.codes, ['PEER_GONE', 'PEER_GONE']);
    const [journal] = (await readdir(join(to, PARTIAL_FOLDER))).filter((name) => name.endsWith('.journal'));
    const kept = (await stat(join(to, PARTIAL_FOLDER, String(journal)))).size / 4;
    assert.ok(
      sum(first.sentBytes) - kept * BLOCK_BYTES <= 3 * 2 * BLOCK_BYTES,
      'at most two blocks a channel are lost',
    );
    const second = await transfer(1);
    assert.deepEqual([second.codes, sum(second.sentBytes)], [['ok', 'ok'], (BLOCKS - kept) * BLOCK_BYTES]);
    await assertArrived();
  });

  it('ends on all of them, with the reason, if the source has changed', async () => {
    const { codes } = await transfer(2, (_, sender) => {
      let isChanged = false;
      sender.tamper = (message) => {
        if (!isChanged && typeof message !== 'string' && message[0] === 1) {
          isChanged = true;
          void writeFile(join(from, 'video.mp4'), randomBytes(BLOCKS * BLOCK_BYTES));
        }
        return message;
      };
    });
    assert.deepEqual(codes, ['SOURCE_CHANGED', 'SOURCE_CHANGED']);
  });

  it('accepts no channel that names another transfer', async () => {
    const { codes, sentBytes } = await transfer(2, (place, _, receiver) => {
      if (place === 1)
        receiver.tamper = (message) => String(message).replace(/"joins":"[^"]+"/, '"joins":"AAAAAAAAAAAAAAAAAAAAAA"');
    });
    assert.deepEqual([codes, sentBytes[1]], [['ok', 'ok'], 0]);
    await assertArrived();
  });

  for (const plain of [{ plainSender: true }, { plainReceiver: true }]) {
    it(`uses one channel with a peer that does not know of others (${Object.keys(plain)})`, async () => {
      const { codes, sentBytes } = await transfer(2, undefined, plain);
      assert.deepEqual(
        [codes, sentBytes],
        [
          ['ok', 'ok'],
          [BLOCKS * BLOCK_BYTES, 0],
        ],
      );
      await assertArrived();
    });
  }
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
