import { createHash } from 'node:crypto';
import { BLOCK_BYTES } from './limits.ts';

/** A run of consecutive blocks of a file. */
export interface BlockRange {
  first: number;
  count: number;
}

/** Number of blocks of a file; an empty file has none. */
export function blockCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / BLOCK_BYTES);
}

/** Bytes of block `index`. Only a file's last block may be shorter than the others. */
export function blockLength(sizeBytes: number, index: number): number {
  return Math.max(0, Math.min(BLOCK_BYTES, sizeBytes - index * BLOCK_BYTES));
}

/** Adds a block to a list of ranges. If the block follows the last range, that range becomes longer. */
export function appendBlock(ranges: BlockRange[], index: number): void {
  const last = ranges.at(-1);
  if (last !== undefined && last.first + last.count === index) last.count += 1;
  else ranges.push({ first: index, count: 1 });
}

/** The blocks of a range, in order. */
export function* blocksOf({ first, count }: BlockRange): Generator<number> {
  for (let index = first; index < first + count; index += 1) yield index;
}

/** SHA-256, as the 32 bytes that go over the wire. */
export function hashBlock(data: Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}
