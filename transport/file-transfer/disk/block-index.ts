import { HASH_BYTES } from '../wire/limits.ts';
import { MAX_CACHED_BLOCK_HASHES } from './limits.ts';

/** A file that blocks can be read from. `read` returns undefined if the block is no longer there. */
export interface BlockSource {
  read: (block: number) => Promise<Buffer | undefined>;
}

/** More blocks than any file has. */
const BLOCKS_PER_SOURCE = 2 ** 21;

/**
 * Finds where the block with a given hash may be read. To be small (about 40 bytes a block) it uses 30 bits of the hash as a key,
 * so the caller compares what it reads. Of two blocks with the same key only the later one is found; the other is transferred.
 */
export class BlockIndex {
  readonly #sources: BlockSource[] = [];
  /** Index of the source × `BLOCKS_PER_SOURCE` + index of the block, by key. */
  readonly #places = new Map<number, number>();

  addFile(source: BlockSource, hashes: Uint8Array): void {
    for (let block = 0; block * HASH_BYTES < hashes.byteLength; block += 1) {
      this.add(hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES), source, block);
    }
  }

  add(hash: Uint8Array, source: BlockSource, block: number): void {
    if (this.#places.size >= 2 * MAX_CACHED_BLOCK_HASHES) return;
    if (this.#sources.at(-1) !== source) this.#sources.push(source);
    this.#places.set(key(hash), (this.#sources.length - 1) * BLOCKS_PER_SOURCE + block);
  }

  find(hash: Uint8Array): { source: BlockSource; block: number } | undefined {
    const place = this.#places.get(key(hash));
    const source = place === undefined ? undefined : this.#sources[Math.floor(place / BLOCKS_PER_SOURCE)];
    return place === undefined || source === undefined ? undefined : { source, block: place % BLOCKS_PER_SOURCE };
  }

  remove(hash: Uint8Array): void {
    this.#places.delete(key(hash));
  }
}

/** A number that V8 stores without boxing. */
function key(hash: Uint8Array): number {
  return (((hash[0] ?? 0) << 22) | ((hash[1] ?? 0) << 14) | ((hash[2] ?? 0) << 6) | ((hash[3] ?? 0) >> 2)) >>> 0;
}
