import { HASH_BYTES, MAX_CACHED_BLOCK_HASHES } from '../wire/limits.ts';

/** Something that blocks can be read from; undefined where one is not there any more. */
export interface BlockSource {
  read: (block: number) => Promise<Buffer | undefined>;
}

/** More blocks than any file has. */
const BLOCKS_A_SOURCE = 2 ** 21;

/**
 * Where a block with a hash may be read. Kept small, about 40 bytes a block: a key is 30 bits of the hash, so what is found has
 * to be compared, and of two blocks with one key only the later is found, which costs a transfer of the other.
 */
export class BlockIndex {
  readonly #sources: BlockSource[] = [];
  /** Number of the source × `BLOCKS_A_SOURCE` + number of the block, by key. */
  readonly #places = new Map<number, number>();

  addFile(source: BlockSource, hashes: Uint8Array): void {
    for (let block = 0; block * HASH_BYTES < hashes.byteLength; block += 1) {
      this.add(hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES), source, block);
    }
  }

  add(hash: Uint8Array, source: BlockSource, block: number): void {
    if (this.#places.size >= 2 * MAX_CACHED_BLOCK_HASHES) return;
    if (this.#sources.at(-1) !== source) this.#sources.push(source);
    this.#places.set(key(hash), (this.#sources.length - 1) * BLOCKS_A_SOURCE + block);
  }

  find(hash: Uint8Array): { source: BlockSource; block: number } | undefined {
    const place = this.#places.get(key(hash));
    const source = place === undefined ? undefined : this.#sources[Math.floor(place / BLOCKS_A_SOURCE)];
    return place === undefined || source === undefined ? undefined : { source, block: place % BLOCKS_A_SOURCE };
  }

  remove(hash: Uint8Array): void {
    this.#places.delete(key(hash));
  }
}

/** A number that the engine keeps unboxed. */
function key(hash: Uint8Array): number {
  return (((hash[0] ?? 0) << 22) | ((hash[1] ?? 0) << 14) | ((hash[2] ?? 0) << 6) | ((hash[3] ?? 0) >> 2)) >>> 0;
}
