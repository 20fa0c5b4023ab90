import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestChannel } from '../testing/channel-pair.ts';
import { Owned } from '../testing/owned.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { arrived, type Transferred, transfer, writeOld } from '../testing/transfer.ts';
import { describeFiles, type SourceFile } from './disk/describe-files.ts';
import { PARTIAL_FOLDER } from './disk/partial-file.ts';
import { decodePiece, encodePiece, type Piece } from './wire/pieces.ts';

const MiB = 1024 * 1024;
const BLOCKS = 6;

/** What a sender sends instead of a piece: the same, something else, nothing, or several. */
type Lie = (piece: Piece, times: number) => Piece[];

describe('a sender that sends something else than was requested', () => {
  const owned = new Owned();
  let from: string;
  let to: string;
  let content: Buffer;
  let files: SourceFile[];

  beforeEach(async () => {
    from = owned.add(await temporaryFolder()).path;
    to = owned.add(await temporaryFolder()).path;
    content = randomBytes(BLOCKS * MiB + 100);
    const small = await writeOld(from, 'a.txt', 10);
    const large = await writeOld(from, 'b.bin', content);
    files = await describeFiles([
      { path: 'a.txt', absolutePath: small },
      { path: 'b.bin', absolutePath: large },
    ]);
  });
  afterEach(owned.end);

  /** Transfers with a sender that changes pieces of `b.bin`. `times` counts how often it has sent the block before. */
  async function against(lie: Lie): Promise<Transferred> {
    const seen = new Map<string, number>();
    return transfer({
      files,
      to,
      arrange: (sender) => {
        sender.tamper = (message) => {
          if (typeof message === 'string' || message[0] !== 1) return message;
          const piece = decodePiece(message);
          const key = `${piece.file}/${piece.block}/${piece.offset}`;
          const times = seen.get(key) ?? 0;
          seen.set(key, times + 1);
          return lie(piece, times).map((each) => Buffer.from(encodePiece(each)));
        };
      },
    });
  }

  async function assertArrivedWith(blocksAgain: number, { codes, sentBytes }: Transferred): Promise<void> {
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.ok(await arrived(files, to));
    assert.equal((sentBytes - 10 - content.length) / MiB, blocksAgain, 'blocks that were sent again');
  }

  const atBlock = (block: number, lie: Lie): Lie => {
    return (piece, times) => (piece.file === 1 && piece.block === block ? lie(piece, times) : [piece]);
  };
  const isLast = ({ offset, data, block }: Piece) => offset + data.byteLength === (block === BLOCKS ? 100 : MiB);
  const flipped = (piece: Piece): Piece => {
    const data = Buffer.from(piece.data);
    data[7] = (data[7] ?? 0) ^ 1;
    return { ...piece, data };
  };

  it('a flipped bit: the block is requested again', async () => {
    const lie = atBlock(2, (piece, times) => [times === 0 && piece.offset > 0 ? flipped(piece) : piece]);
    await assertArrivedWith(1, await against(lie));
  });

  it('a flipped bit twice: the block is requested twice more; three times: the transfer fails', async () => {
    const twice = atBlock(3, (piece, times) => [times < 2 ? flipped(piece) : piece]);
    await assertArrivedWith(2, await against(twice));
    to = owned.add(await temporaryFolder()).path;
    const { codes } = await against(atBlock(3, (piece) => [flipped(piece)]));
    assert.deepEqual(codes, ['INTEGRITY', 'INTEGRITY']);
    assert.deepEqual(
      (await readdir(to)).filter((name) => name !== PARTIAL_FOLDER),
      ['a.txt'],
    );
  });

  it('a block that breaks off, or lacks a piece, or a byte: it is requested again', async () => {
    const lacks: Lie[] = [
      (piece, times) => (times === 0 && isLast(piece) ? [] : [piece]),
      (piece, times) => (times === 0 && piece.offset > 0 && piece.offset < MiB / 2 ? [] : [piece]),
      (piece, times) => (times === 0 && piece.offset === 0 ? [] : [piece]),
      (piece, times) => (times === 0 && isLast(piece) ? [{ ...piece, data: piece.data.subarray(1) }] : [piece]),
    ];
    for (const lack of lacks) {
      to = owned.add(await temporaryFolder()).path;
      await assertArrivedWith(1, await against(atBlock(1, lack)));
    }
  });

  it('pieces in another order, or one twice: the block is requested again', async () => {
    let kept: Piece | undefined;
    const swapped = atBlock(4, (piece, times) => {
      if (times > 0) return [piece];
      if (piece.offset > 0 && kept === undefined) {
        kept = piece;
        return [];
      }
      const back = kept;
      kept = undefined;
      return back === undefined ? [piece] : [piece, back];
    });
    const { codes } = await against(swapped);
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.ok(await arrived(files, to));
    to = owned.add(await temporaryFolder()).path;
    await assertArrivedWith(1, await against(atBlock(4, (piece, times) => (times === 0 ? [piece, piece] : [piece]))));
  });

  it('blocks in another order, or a whole block twice: nothing is requested again', async () => {
    const kept: Piece[] = [];
    const later = (piece: Piece) => {
      if (piece.file === 1 && piece.block === 0) {
        kept.push(piece);
        return [];
      }
      return piece.file === 1 && piece.block === 2 && isLast(piece) ? [piece, ...kept] : [piece];
    };
    await assertArrivedWith(0, await against(later));
    to = owned.add(await temporaryFolder()).path;
    const block: Piece[] = [];
    const twice = atBlock(2, (piece) => {
      block.push(piece);
      return isLast(piece) ? [piece, ...block] : [piece];
    });
    await assertArrivedWith(0, await against(twice));
    to = owned.add(await temporaryFolder()).path;
    await assertArrivedWith(0, await against((piece) => (piece.file === 0 ? [piece, piece] : [piece])));
  });

  it('a block of an older version: it is requested again, and never accepted', async () => {
    const old = randomBytes(MiB);
    const stale = (piece: Piece): Piece => ({
      ...piece,
      data: old.subarray(piece.offset, piece.offset + piece.data.byteLength),
    });
    await assertArrivedWith(1, await against(atBlock(0, (piece, times) => [times === 0 ? stale(piece) : piece])));
    to = owned.add(await temporaryFolder()).path;
    const { codes } = await against(atBlock(0, (piece) => [stale(piece)]));
    assert.deepEqual(codes, ['INTEGRITY', 'INTEGRITY']);
  });

  it('a block that was not requested, or pieces beyond a block’s end: it is cut off', async () => {
    for (const forged of [
      (piece: Piece) => ({ ...piece, block: BLOCKS + 1 }),
      (piece: Piece) => ({ ...piece, file: 2 }),
      (piece: Piece) => ({ ...piece, kind: 'hashes' as const }),
    ]) {
      to = owned.add(await temporaryFolder()).path;
      const { codes } = await against(atBlock(1, (piece) => [forged(piece)]));
      assert.deepEqual(codes, ['MESSAGE_INVALID', 'MESSAGE_INVALID']);
    }
    to = owned.add(await temporaryFolder()).path;
    const beyond = atBlock(1, (piece) => [{ ...piece, data: Buffer.concat([piece.data, Buffer.alloc(MiB)]) }]);
    assert.deepEqual((await against(beyond)).codes, ['MESSAGE_INVALID', 'MESSAGE_INVALID']);
  });

  it('what has arrived already, without end: it is cut off', async () => {
    const forever = atBlock(1, (piece) => [piece, ...Array.from({ length: 600 }, () => ({ ...piece, block: 0 }))]);
    const { codes } = await against(forever);
    assert.deepEqual(codes, ['MESSAGE_INVALID', 'MESSAGE_INVALID']);
  });

  it('offers without end, or messages out of turn: it is cut off', async () => {
    const say = (text: string) => (sender: TestChannel) => {
      sender.tamper = (message) => {
        const isOffer = typeof message === 'string' && message.includes('"offer"');
        return isOffer ? [text, message] : message;
      };
    };
    const entry = files[0]?.entry;
    const many = Array.from({ length: 400 }, (_, i) => ({ ...entry, path: `${i}` }));
    const lies: [string, string][] = [
      [JSON.stringify({ type: 'offer', files: [], last: false }), 'MESSAGE_INVALID'],
      [JSON.stringify({ type: 'hello', protocol: 'sleap-rtc-files', version: 1 }), 'MESSAGE_INVALID'],
      [JSON.stringify({ type: 'goodbye' }), 'MESSAGE_INVALID'],
    ];
    for (const [text, code] of lies) {
      const { codes } = await transfer({ files, to, arrange: say(text) });
      assert.deepEqual(codes, [code, code]);
    }
    const { codes } = await transfer({
      files,
      to,
      arrange: (sender) => {
        const offer = JSON.stringify({ type: 'offer', files: many, last: false });
        sender.tamper = (message) =>
          typeof message === 'string' && message.includes('"offer"') ? Array(30).fill(offer) : message;
      },
    });
    assert.deepEqual(codes, ['MESSAGE_INVALID', 'MESSAGE_INVALID']);
    assert.deepEqual(await readdir(to), []);
  });

  for (const block of [0, 1, 3, BLOCKS]) {
    for (const how of ['written to', 'written to and its time put back']) {
      it(`its file is ${how} before block ${block} is read: the sender names the file`, async () => {
        const path = join(from, 'b.bin');
        let changed: Promise<void> | undefined;
        const { codes, errors } = await transfer({
          files,
          to,
          arrange: (sender) => {
            const { send } = sender;
            sender.send = async (message, options) => {
              const isData = typeof message !== 'string' && message[0] === 1;
              if (isData && changed === undefined && decodePiece(message).file === (block === 0 ? 0 : 1)) {
                changed = change(path, block, how);
                await changed;
              }
              return send(message, options);
            };
          },
        });
        assert.deepEqual(codes, ['SOURCE_CHANGED', 'SOURCE_CHANGED']);
        assert.match(errors.join(), /b\.bin changed while it was being sent/);
        assert.ok(!(await readdir(to)).includes('b.bin'));
      });
    }
  }

  async function change(path: string, block: number, how: string): Promise<void> {
    const { atime, mtime } = await stat(path);
    const handle = await open(path, 'r+');
    await handle.write(Buffer.from([(content[block * MiB] ?? 0) ^ 1]), 0, 1, block * MiB);
    await handle.close();
    if (how.endsWith('put back')) await utimes(path, atime, mtime);
  }
});
