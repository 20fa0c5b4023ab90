import { type FileHandle, open } from 'node:fs/promises';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { SourceFile } from '../disk/describe-files.ts';
import { fileIdentity } from '../disk/file-identity.ts';
import type { HashCache } from '../disk/hash-cache.ts';
import { blockCount, blockLength, hashBlock } from '../wire/blocks.ts';
import { BLOCK_BYTES, HASH_BYTES } from '../wire/limits.ts';

/**
 * Reads the blocks of the offered files, one open file at a time, and notices if a file is no longer what was offered. A block is
 * compared with its promised hash unless the file, checked after the read, is still the one that was described.
 */
export class SourceFiles {
  readonly #files: readonly SourceFile[];
  /** Hashes that were promised to the receiver, by file; zeros for those that were not requested yet. */
  readonly #promised = new Map<number, Buffer>();
  /** Which blocks were sent, one bit each, by file. A block that is requested again may have been read wrong. */
  readonly #sent = new Map<number, Uint8Array>();
  readonly #cache: HashCache | undefined;
  #open: { index: number; handle: FileHandle } | undefined;
  /** The latest read for any channel. Reads run one at a time. */
  #lastRead: Promise<unknown> = Promise.resolve();
  #isOver = false;

  /** @param cache forgets a file that turns out to have changed */
  constructor(files: readonly SourceFile[], cache?: HashCache) {
    this.#files = files;
    this.#cache = cache;
  }

  /**
   * The promised hashes of `count` blocks from `first` on. Reads the blocks if their hashes were not computed with the file's
   * description.
   * @throws SleapRtcError MESSAGE_INVALID if there are no such blocks, SOURCE_CHANGED, FILE_NOT_FOUND
   */
  hashes(index: number, first: number, count: number): Promise<Uint8Array> {
    return this.#runAlone(() => this.#hashes(index, first, count));
  }

  /**
   * The data of a block.
   * @throws SleapRtcError MESSAGE_INVALID if there is no such block, SOURCE_CHANGED, FILE_NOT_FOUND
   */
  block(index: number, block: number): Promise<Uint8Array> {
    return this.#runAlone(() => this.#block(index, block));
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#lastRead;
    await this.#closeFile();
  }

  #runAlone<Result>(read: () => Promise<Result>): Promise<Result> {
    const result = this.#lastRead.then(() => {
      if (this.#isOver) throw new SleapRtcError('PEER_GONE', 'The transfer is over.');
      return read();
    });
    this.#lastRead = result.catch(() => undefined);
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
    if (!this.#markSent(index, block) && (await this.#isAsDescribed(index))) return data;
    const promised =
      blockCount(entry.size_bytes) === 1
        ? Buffer.from(entry.sha256, 'hex')
        : (blockHashes ?? this.#promised.get(index))?.subarray(block * HASH_BYTES, (block + 1) * HASH_BYTES);
    if (promised !== undefined && !hashBlock(data).equals(promised)) throw this.#changed(index);
    return data;
  }

  async #closeFile(): Promise<void> {
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
    await this.#closeFile();
    const { entry, absolutePath } = this.#file(index);
    const handle = await open(absolutePath).catch((cause: unknown) => {
      throw new SleapRtcError('FILE_NOT_FOUND', `${entry.path} can no longer be read.`, { cause });
    });
    this.#open = { index, handle };
    if ((await handle.stat()).size !== entry.size_bytes) throw this.#changed(index);
    return handle;
  }

  /** Systems record a write to a file before the new content can be read, so a check after the read is enough. */
  async #isAsDescribed(index: number): Promise<boolean> {
    const { identity } = this.#file(index);
    if (identity === undefined || this.#open?.index !== index) return false;
    return fileIdentity(await this.#open.handle.stat({ bigint: true })) === identity;
  }

  /** Marks the block as sent. @returns whether it was sent before */
  #markSent(index: number, block: number): boolean {
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
    if (file === undefined) throw new SleapRtcError('MESSAGE_INVALID', `File ${index} is not offered.`);
    return file;
  }
}

function outOfRange(path: string): SleapRtcError {
  return new SleapRtcError('MESSAGE_INVALID', `A block beyond the end of ${path} was requested.`);
}
