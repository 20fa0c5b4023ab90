import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import type { Holdings } from '../disk/local-blocks.ts';
import { PartialFile } from '../disk/partial-file.ts';
import { blockCount, blockLength, hashBlock } from '../wire/blocks.ts';
import { BLOCK_ATTEMPTS, HASH_BYTES, HASHES_PER_REQUEST } from '../wire/limits.ts';
import type { Piece } from '../wire/pieces.ts';
import type { BlockBuffers } from './block-buffers.ts';

/** A block that was asked for, as far as it has arrived. */
interface WantedBlock {
  data: Buffer;
  filled: number;
  attempt: number;
  /** It came out of order or broke off and was asked for again: what comes of it before its beginning is of no use. */
  isBroken: boolean;
}

/** What came of a piece of data. */
export interface Taken {
  /** `again`: its block is to be asked for again; `spare`: of a block that is here already. */
  outcome: 'more' | 'done' | 'again' | 'spare';
  /** Bytes by which the transfer is further; fewer than none where what came is of no use. */
  bytes: number;
}

/** What the files of a transfer share. */
interface IncomingFileDeps {
  holdings: Holdings;
  buffers: BlockBuffers;
}

/** One offered file at the receiver: its promised hashes, the blocks on their way, and what is on disk. */
export class IncomingFile implements AsyncDisposable {
  readonly entry: FileEntry;
  readonly #partial: PartialFile;
  readonly #holdings: Holdings;
  readonly #buffers: BlockBuffers;
  readonly #hashes: Buffer;
  #hashesKnown = 0;
  #next = 0;
  readonly #wanted = new Map<number, WantedBlock>();

  private constructor(
    entry: FileEntry,
    partial: PartialFile,
    { holdings, buffers }: IncomingFileDeps,
    hashes: Uint8Array | undefined,
  ) {
    this.entry = entry;
    this.#buffers = buffers;
    this.#partial = partial;
    this.#holdings = holdings;
    this.#hashes = Buffer.alloc(this.#blocks * HASH_BYTES);
    if (hashes === undefined) return;
    this.#hashes.set(hashes);
    this.#hashesKnown = this.#blocks;
  }

  /** Opens what an earlier attempt left of the file. The caller disposes it. */
  static async open(root: string, entry: FileEntry, deps: IncomingFileDeps): Promise<IncomingFile> {
    // A file of one block is its own block hash, and the hashes of content that is here are known, which saves asking.
    const isSingle = blockCount(entry.size_bytes) === 1;
    const hashes = isSingle ? Buffer.from(entry.sha256, 'hex') : await deps.holdings.hashesOf(entry);
    return new IncomingFile(entry, await PartialFile.open(root, entry), deps, hashes);
  }

  /** The hashes to ask for next, if any are missing. */
  get missingHashes(): { first: number; count: number } | undefined {
    const count = Math.min(HASHES_PER_REQUEST, this.#blocks - this.#hashesKnown);
    return count === 0 ? undefined : { first: this.#hashesKnown, count };
  }

  /** Whether the block was asked for and has not come. */
  isWanted(block: number): boolean {
    return this.#wanted.has(block);
  }

  /** Whether every block has been recovered or asked for. */
  get isAskedFor(): boolean {
    return this.#next === this.#blocks;
  }

  get isComplete(): boolean {
    return this.#partial.isComplete;
  }

  /** Takes the hashes that were asked for. @throws SleapRtcError MESSAGE_INVALID */
  takeHashes({ block, data }: Piece): void {
    const asked = this.missingHashes;
    if (asked?.first !== block || data.byteLength !== asked.count * HASH_BYTES) throw notAskedFor(this.entry.path);
    this.#hashes.set(data, block * HASH_BYTES);
    this.#hashesKnown += asked.count;
  }

  /**
   * Looks at the next block: either it is here, from an earlier attempt or in some other file (its bytes are counted), or it
   * is to be asked for.
   * To be called only when all hashes are known.
   */
  async advance(): Promise<{ want: number } | { hadBytes: number }> {
    const block = this.#next;
    this.#next += 1;
    const length = blockLength(this.entry.size_bytes, block);
    const hash = this.#hashOf(block);
    if (await this.#partial.recover(block, hash)) return { hadBytes: length };
    const here = await this.#holdings.block(hash);
    if (here?.length === length) {
      await this.#partial.write(block, here);
      return { hadBytes: length };
    }
    this.#wanted.set(block, { data: this.#buffers.take(length), filled: 0, attempt: 1, isBroken: false });
    return { want: block };
  }

  /**
   * Takes a piece of a block that was asked for.
   * @throws SleapRtcError MESSAGE_INVALID for data that was not asked for, INTEGRITY after too many corrupt arrivals
   */
  async takeData({ block, offset, data }: Piece): Promise<Taken> {
    const wanted = this.#wanted.get(block);
    if (wanted === undefined) {
      if (!this.#partial.has(block)) throw notAskedFor(this.entry.path);
      return { outcome: 'spare', bytes: 0 };
    }
    if (offset + data.byteLength > blockLength(this.entry.size_bytes, block)) throw notAskedFor(this.entry.path);
    if (wanted.isBroken && offset !== 0) return { outcome: 'spare', bytes: 0 };
    wanted.isBroken = false;
    if (offset !== wanted.filled) return this.breakOff(block);
    wanted.data.set(data, offset);
    wanted.filled += data.byteLength;
    const bytes = data.byteLength;
    if (wanted.filled < wanted.data.length) return { outcome: 'more', bytes };
    if (!hashBlock(wanted.data).equals(this.#hashOf(block))) {
      const { bytes: lost } = this.breakOff(block);
      return { outcome: 'again', bytes: lost + bytes };
    }
    this.#wanted.delete(block);
    await this.#partial.write(block, wanted.data);
    this.#holdings.addBlock(this.#hashOf(block), this.#partial, block);
    this.#buffers.giveBack(wanted.data);
    return { outcome: 'done', bytes };
  }

  /**
   * Gives up what has come of a block, because it came wrong or the sender went on to another. To be asked for again.
   * @throws SleapRtcError INTEGRITY after too many times
   */
  breakOff(block: number): Taken {
    const wanted = this.#wanted.get(block);
    if (wanted === undefined) return { outcome: 'spare', bytes: 0 };
    if (wanted.attempt >= BLOCK_ATTEMPTS) {
      throw new SleapRtcError('INTEGRITY', `A block of ${this.entry.path} arrived corrupt ${BLOCK_ATTEMPTS} times.`);
    }
    const bytes = wanted.filled === 0 ? 0 : -wanted.filled;
    wanted.filled = 0;
    wanted.attempt += 1;
    wanted.isBroken = true;
    return { outcome: 'again', bytes };
  }

  /** Forgets what has come of a block, which is to be asked for anew. @returns how many bytes that was */
  forget(block: number): number {
    const wanted = this.#wanted.get(block);
    if (wanted === undefined) return 0;
    const { filled } = wanted;
    wanted.filled = 0;
    wanted.isBroken = false;
    return filled;
  }

  /** Moves the complete file to its name. @throws SleapRtcError INTEGRITY */
  async finish(): Promise<void> {
    const { absolutePath, identity } = await this.#partial.finish();
    if (identity === undefined) return;
    const { sha256, size_bytes: sizeBytes } = this.entry;
    this.#holdings.add(absolutePath, { identity, sizeBytes, sha256, blockHashes: this.#hashes });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#partial[Symbol.asyncDispose]();
  }

  get #blocks(): number {
    return blockCount(this.entry.size_bytes);
  }

  #hashOf(block: number): Uint8Array {
    return this.#hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
  }
}

function notAskedFor(path: string): SleapRtcError {
  return new SleapRtcError('MESSAGE_INVALID', `The sender sent data of ${path} that was not asked for.`);
}
