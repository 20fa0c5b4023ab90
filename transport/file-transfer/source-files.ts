import { type FileHandle, open } from 'node:fs/promises';
import { SleapRtcError } from '../../protocol/errors.ts';
import { blockCount, blockLength, hashBlock } from './blocks.ts';
import type { SourceFile } from './describe-files.ts';
import { BLOCK_BYTES } from './limits.ts';

const HASH_BYTES = 32;

/** Reads the blocks of the files on offer, one open file at a time, and notices where a file is no longer what was offered. */
export class SourceFiles implements AsyncDisposable {
  readonly #files: readonly SourceFile[];
  /** Hashes that were promised to the receiver, by file; nought where none was yet. */
  readonly #promised = new Map<number, Buffer>();
  #open: { index: number; handle: FileHandle } | undefined;

  constructor(files: readonly SourceFile[]) {
    this.#files = files;
  }

  /**
   * The hashes of `count` blocks from `first` on, as promised; where they were not computed with the file's description,
   * the blocks are read for it.
   */
  async hashes(index: number, first: number, count: number): Promise<Uint8Array> {
    const { entry, blockHashes } = this.#file(index);
    if (first + count > blockCount(entry.size_bytes)) throw outOfRange(entry.path);
    if (blockHashes !== undefined) return blockHashes.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES);
    const promised = this.#promised.get(index) ?? Buffer.alloc(blockCount(entry.size_bytes) * HASH_BYTES);
    this.#promised.set(index, promised);
    for (let block = first; block < first + count; block += 1) {
      promised.set(hashBlock(await this.#read(index, block)), block * HASH_BYTES);
    }
    return promised.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES);
  }

  /**
   * The data of a block.
   * @throws SleapRtcError SOURCE_CHANGED, FILE_NOT_FOUND
   */
  async block(index: number, block: number): Promise<Uint8Array> {
    const data = await this.#read(index, block);
    const { entry, blockHashes } = this.#file(index);
    const promised =
      blockCount(entry.size_bytes) === 1
        ? Buffer.from(entry.sha256, 'hex')
        : (blockHashes ?? this.#promised.get(index))?.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
    if (promised !== undefined && !hashBlock(data).equals(promised)) throw changed(entry.path);
    return data;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  async #read(index: number, block: number): Promise<Buffer> {
    const { entry } = this.#file(index);
    if (block >= blockCount(entry.size_bytes)) throw outOfRange(entry.path);
    const handle = await this.#handle(index);
    const data = Buffer.allocUnsafe(blockLength(entry.size_bytes, block));
    let filled = 0;
    while (filled < data.length) {
      const { bytesRead } = await handle.read(data, filled, data.length - filled, block * BLOCK_BYTES + filled);
      if (bytesRead === 0) throw changed(entry.path);
      filled += bytesRead;
    }
    return data;
  }

  async #handle(index: number): Promise<FileHandle> {
    if (this.#open?.index === index) return this.#open.handle;
    await this[Symbol.asyncDispose]();
    const { entry, absolutePath } = this.#file(index);
    const handle = await open(absolutePath).catch((cause: unknown) => {
      throw new SleapRtcError('FILE_NOT_FOUND', `${entry.path} cannot be read any more.`, { cause });
    });
    this.#open = { index, handle };
    if ((await handle.stat()).size !== entry.size_bytes) throw changed(entry.path);
    return handle;
  }

  #file(index: number): SourceFile {
    const file = this.#files[index];
    if (file === undefined) throw new SleapRtcError('MESSAGE_INVALID', `File ${index} is not on offer.`);
    return file;
  }
}

function changed(path: string): SleapRtcError {
  return new SleapRtcError('SOURCE_CHANGED', `${path} changed while it was being sent.`);
}

function outOfRange(path: string): SleapRtcError {
  return new SleapRtcError('MESSAGE_INVALID', `A block beyond the end of ${path} was asked for.`);
}
