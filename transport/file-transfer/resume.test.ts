import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { channelPair, type TestChannel } from '../testing/channel-pair.ts';
import { Owned } from '../testing/owned.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { arrived, writeOld } from '../testing/transfer.ts';
import { describeFiles, type SourceFile } from './disk/describe-files.ts';
import { PARTIAL_FOLDER } from './disk/partial-file.ts';
import { receiveFiles } from './receive/receive-files.ts';
import { sendFiles } from './send/send-files.ts';
import { PIECE_HEADER_BYTES } from './wire/limits.ts';

const MiB = 1024 * 1024;
const BYTES = 20 * MiB + 77;

describe('a transfer that is cut', () => {
  const owned = new Owned();
  let from: string;
  let to: string;
  let files: SourceFile[];

  beforeEach(async () => {
    from = owned.add(await temporaryFolder()).path;
    to = owned.add(await temporaryFolder()).path;
    const absolutePath = await writeOld(from, 'labels.slp', BYTES);
    files = await describeFiles([{ path: 'labels.slp', absolutePath }]);
  });
  afterEach(owned.end);

  /** Makes one attempt. As in the product, a side that fails ends the connection. @returns the codes, and the bytes that were sent */
  async function attempt(onSent: (bytes: number, sender: TestChannel) => void = () => undefined) {
    const [sender, receiver] = channelPair();
    let bytes = 0;
    sender.tamper = (message) => {
      if (typeof message !== 'string' && message[0] === 1) {
        bytes += message.length - PIECE_HEADER_BYTES;
        onSent(bytes, sender);
      }
      return message;
    };
    const ends = await Promise.allSettled([
      sendFiles(sender, files),
      receiveFiles(receiver, to).finally(() => receiver.close()),
    ]);
    return { bytes, codes: ends.map((end) => (end.status === 'rejected' ? end.reason.code : 'ok')) };
  }

  it('anywhere, again and again, sends at most two blocks twice for each cut', async () => {
    let sent = 0;
    const cuts = [1, MiB - 1, MiB, 2.5 * MiB, 7 * MiB + 1];
    for (const cut of cuts) {
      const { bytes, codes } = await attempt((soFar, sender) => soFar >= cut && sender.cut());
      assert.deepEqual(codes, ['PEER_GONE', 'PEER_GONE']);
      sent += bytes;
    }
    const last = await attempt();
    assert.deepEqual(last.codes, ['ok', 'ok']);
    assert.ok(await arrived(files, to));
    const again = sent + last.bytes - BYTES;
    assert.ok(again <= 2 * MiB * cuts.length, `${again} bytes were sent a second time`);
  });

  it('with a journal that lost its end, or names more than there is, goes on with what is there', async () => {
    const folder = join(to, PARTIAL_FOLDER);
    const damages = [
      (path: string) => truncate(path, 6),
      (path: string) => writeFileSync(path, Buffer.alloc(84, 5)),
      (path: string) => writeFileSync(path, randomBytes(4001)),
      (path: string) => rm(path),
    ];
    for (const damage of damages) {
      await attempt((soFar, sender) => soFar >= 6 * MiB && sender.cut());
      const journal = (await readdir(folder)).find((name) => name.endsWith('.journal'));
      await damage(join(folder, String(journal)));
      assert.deepEqual((await attempt()).codes, ['ok', 'ok']);
      assert.ok(await arrived(files, to));
      await rm(join(to, 'labels.slp'));
    }
  });

  it('because the disk became full goes on when there is room', async function () {
    const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
    const mounted = isRoot && (await execa('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', to], { reject: false }));
    if (!mounted || mounted.failed) this.skip(); // only root may mount a disk that can be filled
    owned.add({ close: async () => void (await execa('umount', [to])) });
    let filled = false;
    const first = await attempt((soFar) => {
      if (filled || soFar < 5 * MiB) return;
      filled = true;
      try {
        writeFileSync(join(to, 'another program’s'), Buffer.alloc(48 * MiB));
      } catch {
        // It has used all the space.
      }
    });
    assert.deepEqual(first.codes, ['DISK_FULL', 'DISK_FULL']);
    assert.ok(!(await readdir(to)).includes('labels.slp'));
    assert.deepEqual(
      (await attempt()).codes,
      ['DISK_FULL', 'DISK_FULL'],
      'and is refused before a byte as long as it is',
    );
    await rm(join(to, 'another program’s'));
    const second = await attempt();
    assert.deepEqual(second.codes, ['ok', 'ok']);
    assert.ok(await arrived(files, to));
    const again = first.bytes + second.bytes - BYTES;
    assert.ok(again <= 2 * MiB, `${again} bytes were sent a second time`);
  });
});
