import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import type { LocalBlocks } from '../disk/local-blocks.ts';
import { PartialFile } from '../disk/partial-file.ts';
import { blockCount, blockLength, hashBlock } from '../wire/blocks.ts';
import { HASH_BYTES, MAX_BLOCK_REQUESTS, MAX_HASHES_PER_REQUEST } from '../wire/limits.ts';
import type { Piece } from '../wire/pieces.ts';
import type { BlockBuffers } from './block-buffers.ts';

/** A block that was requested and is not complete. */
interface PendingBlock {
  data: Buffer;
  filled: number;
  requests: number;
  /** The block arrived in the wrong order or was broken off, and was requested again: pieces before its beginning are skipped. */
  isBroken: boolean;
}

/** What became of a piece of data. */
export interface TakenPiece {
  /** `retry`: the block has to be requested again. `duplicate`: the block is there already, or the piece is of no use. */
  outcome: 'partial' | 'complete' | 'retry' | 'duplicate';
  /** Bytes that the transfer has gained; negative if earlier bytes turned out to be of no use. */
  bytes: number;
}

/** What the files of a transfer share. */
interface IncomingFileDeps {
  localBlocks: LocalBlocks;
  buffers: BlockBuffers;
}

/** One offered file at the receiver: its promised hashes, the blocks that are pending, and what is on disk. */
export class IncomingFile {
  readonly entry: FileEntry;
  readonly #partial: PartialFile;
  readonly #localBlocks: LocalBlocks;
  readonly #buffers: BlockBuffers;
  readonly #hashes: Buffer;
  #hashesKnown = 0;
  #next = 0;
  readonly #pending = new Map<number, PendingBlock>();

  private constructor(
    entry: FileEntry,
    partial: PartialFile,
    { localBlocks, buffers }: IncomingFileDeps,
    hashes: Uint8Array | undefined,
  ) {
    this.entry = entry;
    this.#buffers = buffers;
    this.#partial = partial;
    this.#localBlocks = localBlocks;
    this.#hashes = Buffer.alloc(this.#blocks * HASH_BYTES);
    if (hashes === undefined) return;
    this.#hashes.set(hashes);
    this.#hashesKnown = this.#blocks;
  }

  /** Opens a file with what an earlier attempt left of it. The caller closes it. */
  static async open(root: string, entry: FileEntry, deps: IncomingFileDeps): Promise<IncomingFile> {
    // Two kinds of hashes need not be requested: of a file with one block, and of content that is on this machine.
    const isSingle = blockCount(entry.size_bytes) === 1;
    const hashes = isSingle ? Buffer.from(entry.sha256, 'hex') : await deps.localBlocks.hashesOf(entry);
    return new IncomingFile(entry, await PartialFile.open(root, entry), deps, hashes);
  }

  /** The hashes to request next. Undefined if all are known. */
  get missingHashes(): { first: number; count: number } | undefined {
    const count = Math.min(MAX_HASHES_PER_REQUEST, this.#blocks - this.#hashesKnown);
    return count === 0 ? undefined : { first: this.#hashesKnown, count };
  }

  /** Whether the block was requested and is not complete. */
  isPending(block: number): boolean {
    return this.#pending.has(block);
  }

  /** Whether every block was requested or is there. */
  get isRequested(): boolean {
    return this.#next === this.#blocks;
  }

  get isComplete(): boolean {
    return this.#partial.isComplete;
  }

  /** Takes the hashes that were requested. @throws SleapRtcError MESSAGE_INVALID */
  takeHashes({ block, data }: Piece): void {
    const requested = this.missingHashes;
    if (requested?.first !== block || data.byteLength !== requested.count * HASH_BYTES) {
      throw notRequested(this.entry.path);
    }
    this.#hashes.set(data, block * HASH_BYTES);
    this.#hashesKnown += requested.count;
  }

  /**
   * Looks for the next block on this machine: in what an earlier attempt left, and in other files. Call it only when all hashes
   * are known.
   * @returns the bytes that were found, or the number of the block if it has to be requested
   */
  async advance(): Promise<{ missingBlock: number } | { hadBytes: number }> {
    const block = this.#next;
    this.#next += 1;
    const length = blockLength(this.entry.size_bytes, block);
    const hash = this.#hashOf(block);
    if (await this.#partial.recover(block, hash)) return { hadBytes: length };
    const local = await this.#localBlocks.find(hash);
    if (local?.length === length) {
      await this.#partial.write(block, local);
      return { hadBytes: length };
    }
    this.#pending.set(block, { data: this.#buffers.take(length), filled: 0, requests: 1, isBroken: false });
    return { missingBlock: block };
  }

  /**
   * Takes a piece of a block that was requested.
   * @throws SleapRtcError MESSAGE_INVALID if the data was not requested, INTEGRITY if the block was corrupt too often
   */
  async takeData({ block, offset, data }: Piece): Promise<TakenPiece> {
    const pending = this.#pending.get(block);
    if (pending === undefined) {
      if (!this.#partial.has(block)) throw notRequested(this.entry.path);
      return { outcome: 'duplicate', bytes: 0 };
    }
    if (offset + data.byteLength > blockLength(this.entry.size_bytes, block)) throw notRequested(this.entry.path);
    if (pending.isBroken && offset !== 0) return { outcome: 'duplicate', bytes: 0 };
    pending.isBroken = false;
    if (offset !== pending.filled) return this.breakOff(block);
    pending.data.set(data, offset);
    pending.filled += data.byteLength;
    const bytes = data.byteLength;
    if (pending.filled < pending.data.length) return { outcome: 'partial', bytes };
    if (!hashBlock(pending.data).equals(this.#hashOf(block))) {
      const { bytes: lost } = this.breakOff(block);
      return { outcome: 'retry', bytes: lost + bytes };
    }
    this.#pending.delete(block);
    await this.#partial.write(block, pending.data);
    this.#localBlocks.addBlock(this.#hashOf(block), this.#partial, block);
    this.#buffers.giveBack(pending.data);
    return { outcome: 'complete', bytes };
  }

  /**
   * Drops what has arrived of a block, because it was wrong or the sender went on to another block. The block has to be requested
   * again.
   * @throws SleapRtcError INTEGRITY if that happened too often
   */
  breakOff(block: number): TakenPiece {
    const pending = this.#pending.get(block);
    if (pending === undefined) return { outcome: 'duplicate', bytes: 0 };
    if (pending.requests >= MAX_BLOCK_REQUESTS) {
      throw new SleapRtcError(
        'INTEGRITY',
        `A block of ${this.entry.path} arrived corrupt ${MAX_BLOCK_REQUESTS} times.`,
      );
    }
    const bytes = pending.filled === 0 ? 0 : -pending.filled;
    pending.filled = 0;
    pending.requests += 1;
    pending.isBroken = true;
    return { outcome: 'retry', bytes };
  }

  /** Drops what has arrived of a block on a lost channel. The block has to be requested again. @returns the bytes dropped */
  forget(block: number): number {
    const pending = this.#pending.get(block);
    if (pending === undefined) return 0;
    const { filled } = pending;
    pending.filled = 0;
    pending.isBroken = false;
    return filled;
  }

  /** Moves the complete file to its name. @throws SleapRtcError INTEGRITY */
  async finish(): Promise<void> {
    const { absolutePath, identity } = await this.#partial.finish();
    if (identity === undefined) return;
    const { sha256, size_bytes: sizeBytes } = this.entry;
    this.#localBlocks.add(absolutePath, { identity, sizeBytes, sha256, blockHashes: this.#hashes });
  }

  async close(): Promise<void> {
    await this.#partial.close();
  }

  get #blocks(): number {
    return blockCount(this.entry.size_bytes);
  }

  #hashOf(block: number): Uint8Array {
    return this.#hashes.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
  }
}

function notRequested(path: string): SleapRtcError {
  return new SleapRtcError('MESSAGE_INVALID', `The sender sent data of ${path} that was not requested.`);
}
