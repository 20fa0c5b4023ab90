import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { type FileEntry, MAX_FILE_BYTES } from '../../protocol/files.ts';
import type { TransferProgress } from '../../protocol/jobs/job-view.ts';
import { channelPair, type TestChannel } from '../testing/channel-pair.ts';
import { Owned } from '../testing/owned.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { describeFiles, type SourceFile } from './disk/describe-files.ts';
import { missingFiles } from './disk/destination.ts';
import { PARTIAL_FOLDER } from './disk/partial-file.ts';
import { type ReceiveOptions, receiveFiles } from './receive/receive-files.ts';
import { sendFiles } from './send/send-files.ts';
import { BLOCK_BYTES, PIECE_HEADER_BYTES } from './wire/limits.ts';
import { decodePiece } from './wire/pieces.ts';

const MiB = 1024 * 1024;
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('the file transfer', () => {
  const owned = new Owned();
  let from: string;
  let to: string;

  beforeEach(async () => {
    from = owned.add(await temporaryFolder()).path;
    to = owned.add(await temporaryFolder()).path;
  });
  afterEach(owned.end);

  /** Writes files of random content and describes them. */
  async function make(files: Record<string, number>): Promise<SourceFile[]> {
    const list = Object.entries(files).map(([path, size]) => ({ path, absolutePath: join(from, path), size }));
    for (const { absolutePath, size } of list) {
      await mkdir(dirname(absolutePath), { recursive: true });
      await writeFile(absolutePath, randomBytes(size));
    }
    return describeFiles(list);
  }

  /** Transfers on a channel in memory, which `arrange` may change. */
  async function transfer(
    files: SourceFile[],
    options: ReceiveOptions = {},
    arrange: (sender: TestChannel, receiver: TestChannel) => void = () => undefined,
  ) {
    const [sender, receiver] = channelPair();
    arrange(sender, receiver);
    const results = await Promise.allSettled([sendFiles(sender, files), receiveFiles(receiver, to, options)]);
    const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'ok'));
    const sentBlockBytes = sender.sent
      .filter((message) => typeof message !== 'string' && message[0] === 1)
      .reduce((sum, message) => sum + message.length - PIECE_HEADER_BYTES, 0);
    return { codes, sentBlockBytes };
  }

  /** Blocks that an interrupted transfer of one file has written. */
  async function journaledBlocks(): Promise<number> {
    const [journal] = (await readdir(join(to, PARTIAL_FOLDER))).filter((name) => name.endsWith('.journal'));
    return journal === undefined ? 0 : (await stat(join(to, PARTIAL_FOLDER, journal))).size / 4;
  }

  async function assertArrived(files: SourceFile[]): Promise<void> {
    for (const { entry, absolutePath } of files) {
      assert.ok((await readFile(absolutePath)).equals(await readFile(join(to, entry.path))), entry.path);
    }
    assert.deepEqual(await missingFiles(to, entries(files)), []);
    assert.ok(!(await readdir(to)).includes(PARTIAL_FOLDER), 'nothing unfinished is left');
  }

  it('transfers files of all sizes, in folders, unchanged', async () => {
    const files = await make({
      'empty.txt': 0,
      'one.bin': 1,
      'a/b/labels.pkg.slp': 3 * MiB + 17,
      'a/block.bin': MiB,
      'large.mp4': 20 * MiB,
    });
    const { codes } = await transfer(files, { expected: entries(files) });
    assert.deepEqual(codes, ['ok', 'ok']);
    await assertArrived(files);
  });

  it('transfers hundreds of small files', async () => {
    const files = await make(
      Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`f/${i}`.padEnd(200, 'x'), i % 50])),
    );
    assert.deepEqual((await transfer(files)).codes, ['ok', 'ok']);
    await assertArrived(files);
  });

  it('sends nothing that is there already', async () => {
    const files = await make({ 'a.bin': 2 * MiB, 'b.bin': 100 });
    await transfer(files);
    const { codes, sentBlockBytes } = await transfer(files, { expected: entries(files) });
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.equal(sentBlockBytes, 0);
  });

  it('goes on after a cut, and sends only the missing blocks again', async () => {
    const files = await make({ 'large.bin': 20 * MiB + 5 });
    const first = await transfer(files, {}, (sender) => {
      let left = 170;
      sender.tamper = (message) => {
        left -= 1;
        if (left === 0) setImmediate(() => sender.cut());
        return message;
      };
    });
    assert.deepEqual(first.codes, ['PEER_GONE', 'PEER_GONE']);
    const kept = await journaledBlocks();
    assert.ok(kept > 0 && kept < 20, `${kept} blocks were kept`);
    const reports: TransferProgress[] = [];
    const second = await transfer(files, { onProgress: (progress) => reports.push(progress) });
    assert.deepEqual(second.codes, ['ok', 'ok']);
    await assertArrived(files);
    assert.equal(second.sentBlockBytes, (20 - kept) * MiB + 5);
    const last = reports.at(-1);
    assert.deepEqual([last?.bytes, last?.total_bytes], [20 * MiB + 5, 20 * MiB + 5]);
  });

  it('requests a block again that arrived corrupt, or is corrupt on disk', async () => {
    const files = await make({ 'large.bin': 5 * MiB });
    let corrupted = 0;
    const { codes, sentBlockBytes } = await transfer(files, {}, (sender) => {
      sender.tamper = (message) => {
        if (typeof message === 'string' || message[0] !== 1 || corrupted === 1) return message;
        corrupted += 1;
        const bad = Buffer.from(message);
        bad[100] = (bad[100] ?? 0) ^ 1;
        return bad;
      };
    });
    assert.deepEqual([codes, corrupted, sentBlockBytes], [['ok', 'ok'], 1, 6 * MiB]);
    await assertArrived(files);
  });

  it('does not trust what an earlier attempt left', async () => {
    const files = await make({ 'large.bin': 8 * MiB });
    await transfer(files, {}, (sender) => {
      let pieces = 0;
      sender.tamper = (message) => {
        pieces += typeof message === 'string' ? 0 : 1;
        if (pieces === 100) setImmediate(() => sender.cut());
        return message;
      };
    });
    const partials = join(to, PARTIAL_FOLDER);
    const part = (await readdir(partials)).find((name) => name.endsWith('.part'));
    assert.ok(part !== undefined && (await stat(join(partials, part))).size >= 2 * MiB);
    await truncate(join(partials, part), MiB + 1);
    assert.deepEqual((await transfer(files)).codes, ['ok', 'ok']);
    await assertArrived(files);
  });

  it('gives up on a block that is corrupt every time, with nothing under the final name', async () => {
    const files = await make({ 'a.bin': 100 });
    const { codes } = await transfer(files, {}, (sender) => {
      sender.tamper = (message) =>
        typeof message === 'string' ? message : Buffer.from(message).fill(0, PIECE_HEADER_BYTES);
    });
    assert.deepEqual(codes, ['INTEGRITY', 'INTEGRITY']);
    assert.deepEqual(
      (await readdir(to)).filter((name) => name !== PARTIAL_FOLDER),
      [],
    );
  });

  for (const path of [
    '../x',
    '/etc/x',
    'a/../../x',
    'C:x',
    'a\\b',
    'con',
    'a/./b',
    '.sleap-rtc-partial/x',
    'x\u0000y',
  ]) {
    it(`refuses the name ${JSON.stringify(path)} before anything is written`, async () => {
      const [file] = await make({ 'a.bin': 10 });
      assert.ok(file);
      const { codes } = await transfer([{ ...file, entry: { ...file.entry, path } }]);
      assert.deepEqual(codes, ['PATH_UNSAFE', 'PATH_UNSAFE']);
      assert.deepEqual(await readdir(to), []);
    });
  }

  it('never writes outside the folder, whatever the names', async () => {
    const [file] = await make({ 'a.bin': 10 });
    assert.ok(file);
    const part = fc.constantFrom('..', '.', '', 'a', 'b', 'con', 'é', '\\', 'C:', ' ', '...');
    const names = fc.array(fc.oneof(part, fc.string({ maxLength: 5 })), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(names, async (parts) => {
        const scratch = await temporaryFolder();
        try {
          const [sender, receiver] = channelPair();
          const source = { ...file, entry: { ...file.entry, path: parts.join('/') } };
          const folder = join(scratch.path, 'in', 'here');
          await Promise.allSettled([sendFiles(sender, [source]), receiveFiles(receiver, folder)]);
          assert.deepEqual(
            (await readdir(scratch.path)).filter((name) => name !== 'in'),
            [],
          );
          const inside = await readdir(join(scratch.path, 'in')).catch(() => []);
          assert.deepEqual(
            inside.filter((name) => name !== 'here'),
            [],
          );
        } finally {
          await scratch.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  it('follows no link at the receiver', async () => {
    const files = await make({ 'link/a.bin': 10, 'b.bin': 10 });
    await symlink(from, join(to, 'link'));
    assert.deepEqual((await transfer(files.slice(0, 1))).codes, ['PATH_UNSAFE', 'PATH_UNSAFE']);
    await symlink(join(from, 'victim'), join(to, 'b.bin'));
    assert.deepEqual((await transfer(files.slice(1))).codes, ['PATH_UNSAFE', 'PATH_UNSAFE']);
    assert.ok(!(await readdir(from)).includes('victim'));
  });

  it('refuses files that are not the promised ones', async () => {
    const files = await make({ 'a.bin': 10, 'b.bin': 10 });
    const [a, b] = entries(files);
    assert.ok(a && b);
    const wrongHash = { expected: [{ ...a, sha256: EMPTY_SHA256 }, b] };
    assert.deepEqual((await transfer(files, wrongHash)).codes, ['SOURCE_CHANGED', 'SOURCE_CHANGED']);
    assert.deepEqual((await transfer(files, { expected: [a] })).codes, ['INTEGRITY', 'INTEGRITY']);
    assert.deepEqual((await transfer(files.slice(1), { expected: [a, b] })).codes, ['INTEGRITY', 'INTEGRITY']);
    assert.deepEqual((await transfer(files, { maxTotalBytes: 19 })).codes, ['NOT_ALLOWED', 'NOT_ALLOWED']);
    assert.deepEqual(await readdir(to), []);
  });

  it('refuses, before a byte is sent, files that do not fit on the disk', async () => {
    const [file] = await make({ 'a.bin': 10 });
    assert.ok(file);
    const huge = { ...file, entry: { ...file.entry, size_bytes: MAX_FILE_BYTES } };
    const { codes, sentBlockBytes } = await transfer([huge]);
    assert.deepEqual([codes, sentBlockBytes], [['DISK_FULL', 'DISK_FULL'], 0]);
  });

  it('notices a source that changes, shrinks or is removed while it is sent', async () => {
    const files = await make({ 'a.bin': 3 * MiB });
    const path = join(from, 'a.bin');
    const original = await readFile(path);
    await writeFile(path, Buffer.concat([original.subarray(0, 2 * MiB), randomBytes(MiB)]));
    assert.deepEqual((await transfer(files)).codes, ['SOURCE_CHANGED', 'SOURCE_CHANGED']);
    await truncate(path, MiB);
    assert.deepEqual((await transfer(files)).codes, ['SOURCE_CHANGED', 'SOURCE_CHANGED']);
    await rename(path, `${path}.old`);
    assert.deepEqual((await transfer(files)).codes, ['FILE_NOT_FOUND', 'FILE_NOT_FOUND']);
    assert.deepEqual(
      (await readdir(to)).filter((name) => name !== PARTIAL_FOLDER),
      [],
    );
  });

  it('sends files whose block hashes are not known beforehand', async () => {
    const files = (await make({ 'a.bin': 4 * MiB + 1, 'b.bin': 5 })).map(({ entry, absolutePath }) => ({
      entry,
      absolutePath,
    }));
    assert.deepEqual((await transfer(files)).codes, ['ok', 'ok']);
    await assertArrived(files);
  });

  it('accepts only what was requested', async () => {
    const files = await make({ 'a.bin': 2 * MiB });
    const { codes } = await transfer(files, {}, (sender) => {
      let pushed = false;
      sender.tamper = (message) => {
        if (typeof message === 'string' || message[0] !== 1 || pushed) return message;
        pushed = true;
        const forged = Buffer.from(message);
        forged.writeUInt32BE(7, 8);
        return forged;
      };
    });
    assert.deepEqual(codes, ['MESSAGE_INVALID', 'MESSAGE_INVALID']);
  });

  it('names its version of the protocol, and refuses another', async () => {
    const files = await make({ 'a.bin': 1 });
    const { codes } = await transfer(files, {}, (sender) => {
      sender.tamper = (message) =>
        typeof message === 'string' ? message.replace('"version":1', '"version":2') : message;
    });
    assert.deepEqual(codes, ['MESSAGE_INVALID', 'MESSAGE_INVALID']);
  });

  it('stops when aborted, and the other side may try again later', async () => {
    const files = await make({ 'a.bin': 20 * MiB });
    const abort = new AbortController();
    const [sender, receiver] = channelPair();
    const receiving = receiveFiles(receiver, to, { signal: abort.signal, onProgress: () => abort.abort() });
    const [sent, received] = await Promise.allSettled([sendFiles(sender, files), receiving]);
    assert.equal(sent.status === 'rejected' && sent.reason.code, 'PEER_GONE');
    assert.equal(received.status === 'rejected' && received.reason.name, 'AbortError');
  });

  it('never has more than its window of blocks requested', async () => {
    const files = await make({ 'a.bin': 40 * MiB });
    let asked = 0;
    let most = 0;
    await transfer(files, {}, (sender, receiver) => {
      receiver.tamper = (message) => {
        const request = typeof message === 'string' ? JSON.parse(message) : {};
        if (request.type === 'want') asked += request.count;
        most = Math.max(most, asked);
        return message;
      };
      sender.tamper = (message) => {
        const piece = typeof message === 'string' ? undefined : decodePiece(message);
        if (piece?.kind === 'data' && piece.offset + piece.data.length === MiB) asked -= 1;
        return message;
      };
    });
    assert.ok(most <= 16 + 1, `${most} blocks were asked for at once`);
    assert.equal(BLOCK_BYTES, MiB);
    await assertArrived(files);
  });
});

function entries(files: SourceFile[]): FileEntry[] {
  return files.map(({ entry }) => entry);
}
