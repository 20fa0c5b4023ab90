import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MAX_FILE_BYTES } from '../../../protocol/files.ts';
import { appendBlock, type BlockRange, blockCount, blockLength, blocksOf } from './blocks.ts';
import { BLOCK_BYTES } from './limits.ts';
import { offerMessages } from './messages.ts';
import { dataPieces, decodePiece, encodePiece } from './pieces.ts';

describe('blocks and pieces', () => {
  it('cover a file exactly, whatever its size', () => {
    const sizes = fc.oneof(
      fc.integer({ min: 0, max: 64 * BLOCK_BYTES }),
      fc.integer({ min: 0, max: 64 }).map((n) => n * BLOCK_BYTES),
    );
    fc.assert(
      fc.property(sizes, (size) => {
        const lengths = Array.from({ length: blockCount(size) }, (_, index) => blockLength(size, index));
        assert.equal(
          lengths.reduce((sum, length) => sum + length, 0),
          size,
        );
        assert.ok(lengths.every((length) => length > 0 && length <= BLOCK_BYTES));
      }),
    );
    assert.ok(blockCount(MAX_FILE_BYTES) <= 2 ** 32);
  });

  it('are requested in ranges that name each block once, in order', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(200)), (indices) => {
        const sorted = indices.sort((a, b) => a - b);
        const ranges: BlockRange[] = [];
        for (const index of sorted) appendBlock(ranges, index);
        assert.deepEqual(
          ranges.flatMap((range) => [...blocksOf(range)]),
          sorted,
        );
        for (const [i, range] of ranges.entries()) {
          const before = ranges[i - 1];
          assert.ok(before === undefined || before.first + before.count < range.first, 'neighbours are one range');
        }
      }),
    );
  });

  it('are the same after encoding and decoding', () => {
    const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(u32, u32, u32, fc.uint8Array({ minLength: 1 }), (file, block, offset, data) => {
        const piece = { kind: 'data', file, block, offset, data } as const;
        const decoded = decodePiece(encodePiece(piece));
        assert.deepEqual({ ...decoded, data: [...decoded.data] }, { ...piece, data: [...data] });
      }),
    );
    for (const limit of [16 * 1024, 64 * 1024, 256 * 1024]) {
      const block = Buffer.alloc(BLOCK_BYTES, 'abc');
      const pieces = Array.from(dataPieces(1, 2, block, limit), (piece) => Buffer.from(piece));
      assert.ok(pieces.every((piece) => piece.byteLength <= limit));
      assert.ok(Buffer.concat(pieces.map((piece) => decodePiece(piece).data)).equals(block));
    }
  });

  it('are refused if they are not valid', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        if (bytes.length > 16 && (bytes[0] === 1 || bytes[0] === 2)) return;
        assert.throws(() => decodePiece(bytes), { code: 'MESSAGE_INVALID' });
      }),
    );
  });

  it('are offered in messages that fit in a channel, however long the names', () => {
    const entry = { path: 'é'.repeat(512), size_bytes: 1, sha256: 'a'.repeat(64) };
    const messages = [...offerMessages(Array.from({ length: 1_000 }, () => entry))];
    assert.ok(messages.every((message) => Buffer.byteLength(JSON.stringify(message)) < 64 * 1024));
    const files = messages.flatMap((message) => (message.type === 'offer' ? message.files : []));
    assert.equal(files.length, 1_000);
    assert.deepEqual([...offerMessages([])], [{ type: 'offer', files: [], last: true }]);
  });
});
