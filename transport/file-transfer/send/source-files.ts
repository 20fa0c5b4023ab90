import { type FileHandle, open } from 'node:fs/promises';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { SourceFile } from '../disk/describe-files.ts';
import { fileIdentity } from '../disk/file-identity.ts';
import type { HashCache } from '../disk/hash-cache.ts';
import { blockCount, blockLength, hashBlock } from '../wire/blocks.ts';
import { BLOCK_BYTES, HASH_BYTES } from '../wire/limits.ts';

/**
 * Reads the blocks of the files on offer, one open file at a time, and notices where a file is no longer what was offered: a
 * block is compared with its promised hash unless the file, looked at after the reading, is still the one that was described.
 */
export class SourceFiles implements AsyncDisposable {
  readonly #files: readonly SourceFile[];
  /** Hashes that were promised to the receiver, by file; nought where none was yet. */
  readonly #promised = new Map<number, Buffer>();
  /** Blocks that were sent, a bit each, by file: one that is asked for again may have been read wrong. */
  readonly #sent = new Map<number, Uint8Array>();
  readonly #cache: HashCache | undefined;
  #open: { index: number; handle: FileHandle } | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #isOver = false;

  /** @param cache forgets a file that turns out to be another than it says */
  constructor(files: readonly SourceFile[], cache?: HashCache) {
    this.#files = files;
    this.#cache = cache;
  }

  /**
   * The hashes of `count` blocks from `first` on, as promised; where they were not computed with the file's description,
   * the blocks are read for it.
   */
  hashes(index: number, first: number, count: number): Promise<Uint8Array> {
    return this.#alone(() => this.#hashes(index, first, count));
  }

  /**
   * The data of a block.
   * @throws SleapRtcError SOURCE_CHANGED, FILE_NOT_FOUND
   */
  block(index: number, block: number): Promise<Uint8Array> {
    return this.#alone(() => this.#block(index, block));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#last;
    await this.#close();
  }

  /** One file is open at a time, whichever channel it is for. */
  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(() => {
      if (this.#isOver) throw new SleapRtcError('PEER_GONE', 'The transfer is over.');
      return work();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #hashes(index: number, first: number, count: number): Promise<Uint8Array> {
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

  async #block(index: number, block: number): Promise<Uint8Array> {
    const data = await this.#read(index, block);
    const { entry, blockHashes } = this.#file(index);
    if (!this.#isSentBefore(index, block) && (await this.#isAsDescribed(index))) return data;
    const promised =
      blockCount(entry.size_bytes) === 1
        ? Buffer.from(entry.sha256, 'hex')
        : (blockHashes ?? this.#promised.get(index))?.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
    if (promised !== undefined && !hashBlock(data).equals(promised)) throw this.#changed(index);
    return data;
  }

  async #close(): Promise<void> {
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
      if (bytesRead === 0) throw this.#changed(index);
      filled += bytesRead;
    }
    return data;
  }

  async #handle(index: number): Promise<FileHandle> {
    if (this.#open?.index === index) return this.#open.handle;
    await this.#close();
    const { entry, absolutePath } = this.#file(index);
    const handle = await open(absolutePath).catch((cause: unknown) => {
      throw new SleapRtcError('FILE_NOT_FOUND', `${entry.path} cannot be read any more.`, { cause });
    });
    this.#open = { index, handle };
    if ((await handle.stat()).size !== entry.size_bytes) throw this.#changed(index);
    return handle;
  }

  /** Systems note that a file is being written to before its new content can be read, so looking afterwards is enough. */
  async #isAsDescribed(index: number): Promise<boolean> {
    const { identity } = this.#file(index);
    if (identity === undefined || this.#open?.index !== index) return false;
    return fileIdentity(await this.#open.handle.stat({ bigint: true })) === identity;
  }

  /** Whether the block was sent before; from now on it was. */
  #isSentBefore(index: number, block: number): boolean {
    let sent = this.#sent.get(index);
    if (sent === undefined) {
      sent = new Uint8Array(Math.ceil(blockCount(this.#file(index).entry.size_bytes) / 8));
      this.#sent.set(index, sent);
    }
    const at = block >> 3;
    const bit = 1 << (block & 7);
    const before = (sent[at] ?? 0) & bit;
    sent[at] = (sent[at] ?? 0) | bit;
    return before !== 0;
  }

  #changed(index: number): SleapRtcError {
    const { absolutePath, entry } = this.#file(index);
    this.#cache?.forget(absolutePath);
    return new SleapRtcError('SOURCE_CHANGED', `${entry.path} changed while it was being sent.`);
  }

  #file(index: number): SourceFile {
    const file = this.#files[index];
    if (file === undefined) throw new SleapRtcError('MESSAGE_INVALID', `File ${index} is not on offer.`);
    return file;
  }
}

function outOfRange(path: string): SleapRtcError {
  return new SleapRtcError('MESSAGE_INVALID', `A block beyond the end of ${path} was asked for.`);
}
