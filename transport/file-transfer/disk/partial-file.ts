import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import { blockCount, blockLength, hashBlock } from '../wire/blocks.ts';
import { BLOCK_BYTES } from '../wire/limits.ts';
import { isFinished, prepareParents, syncFolderOf } from './destination.ts';
import { fileIdentity, settledTime } from './file-identity.ts';

/** Folder of unfinished files in the destination. It is on the same disk, so that a file is finished by a rename. */
export const PARTIAL_FOLDER = '.sleap-rtc-partial';

/** Opens for reading and writing, and follows no link at the last part of the path if the system supports that. */
const OPEN_FLAGS = constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0);

/** The path of an unfinished file. It depends on path and content, so that only a transfer of the same file finds it. */
export function partialPath(root: string, entry: FileEntry): string {
  const name = createHash('sha256').update(`${entry.path}\n${entry.sha256}`).digest('hex').slice(0, 32);
  return join(root, PARTIAL_FOLDER, `${name}.part`);
}

/**
 * An unfinished file: `.part` has the blocks at their places, and `.journal` the indices of those that were written, 4 bytes each,
 * big-endian. The journal is only a hint: each block that it names is compared with its hash before it counts.
 */
export class PartialFile {
  readonly #root: string;
  readonly #entry: FileEntry;
  readonly #data: FileHandle;
  readonly #journal: FileHandle;
  readonly #claimed: Set<number>;
  readonly #present = new Set<number>();
  /** Hash of the file up to block `#hashedBlocks`, so that the finished file need not be read again. */
  readonly #whole: Hash = createHash('sha256');
  #hashedBlocks = 0;

  private constructor(root: string, entry: FileEntry, data: FileHandle, journal: FileHandle, claimed: Set<number>) {
    this.#root = root;
    this.#entry = entry;
    this.#data = data;
    this.#journal = journal;
    this.#claimed = claimed;
  }

  /** Opens what an earlier attempt left, or a new file. The caller closes it. */
  static async open(root: string, entry: FileEntry): Promise<PartialFile> {
    await prepareParents(root, `${PARTIAL_FOLDER}/x`);
    const path = partialPath(root, entry);
    const data = await open(path, OPEN_FLAGS, 0o666);
    try {
      const journal = await open(journalOf(path), OPEN_FLAGS | constants.O_APPEND, 0o666);
      return new PartialFile(root, entry, data, journal, await readJournal(journal));
    } catch (error) {
      await data.close();
      throw error;
    }
  }

  /** Whether an earlier attempt left this block complete. */
  async recover(block: number, hash: Uint8Array): Promise<boolean> {
    if (!this.#claimed.has(block)) return false;
    const data = await this.read(block);
    if (data === undefined || !hashBlock(data).equals(hash)) return false;
    this.#add(block, data);
    return true;
  }

  /** Writes a block whose hash was checked. @throws SleapRtcError DISK_FULL */
  async write(block: number, data: Uint8Array): Promise<void> {
    await writeAll(this.#data, data, block * BLOCK_BYTES);
    const number = Buffer.allocUnsafe(4);
    number.writeUInt32BE(block);
    await writeAll(this.#journal, number, null);
    this.#add(block, data);
  }

  /** Whether the block is there. */
  has(block: number): boolean {
    return this.#present.has(block);
  }

  /** Whether all blocks are there. */
  get isComplete(): boolean {
    return this.#present.size === blockCount(this.#entry.size_bytes);
  }

  /**
   * Checks the whole file's hash, makes the file durable, and moves it to its name. Removes the file if the hash is wrong.
   * @returns its path, and its identity unless somebody else has changed the file already
   * @throws SleapRtcError INTEGRITY
   */
  async finish(): Promise<{ absolutePath: string; identity: string | undefined }> {
    const { path, sha256, size_bytes } = this.#entry;
    const from = partialPath(this.#root, this.#entry);
    await this.#hashRest();
    if (this.#whole.copy().digest('hex') !== sha256) {
      await this.close();
      await Promise.all([rm(from, { force: true }), rm(journalOf(from), { force: true })]);
      throw new SleapRtcError('INTEGRITY', `${path} was received, but its content is not what was promised.`);
    }
    await this.#data.truncate(size_bytes);
    const changedAt = settledTime();
    await this.#data.utimes(changedAt, changedAt);
    await this.#data.sync();
    await this.close();
    const to = await prepareParents(this.#root, path);
    await rename(from, to).catch(async (error: NodeJS.ErrnoException) => {
      // Another transfer of the same file may have been faster.
      if (error.code !== 'ENOENT' || !(await isFinished(to, this.#entry))) throw error;
    });
    await syncFolderOf(to);
    await rm(journalOf(from), { force: true });
    const found = await lstat(to, { bigint: true });
    const isOurs = found.isFile() && Number(found.mtimeMs) === changedAt * 1000;
    return { absolutePath: to, identity: isOurs ? fileIdentity(found) : undefined };
  }

  async close(): Promise<void> {
    await Promise.all([this.#data.close(), this.#journal.close()]);
  }

  #add(block: number, data: Uint8Array): void {
    this.#present.add(block);
    if (block !== this.#hashedBlocks) return;
    this.#whole.update(data);
    this.#hashedBlocks += 1;
  }

  /** Hashes the blocks that arrived before one that precedes them. */
  async #hashRest(): Promise<void> {
    for (; this.#hashedBlocks < blockCount(this.#entry.size_bytes); this.#hashedBlocks += 1) {
      const data = await this.read(this.#hashedBlocks);
      if (data === undefined) {
        throw new SleapRtcError('INTEGRITY', `${this.#entry.path} was truncated while it was received.`);
      }
      this.#whole.update(data);
    }
  }

  /** Reads a block, and does not check it. */
  async read(block: number): Promise<Buffer | undefined> {
    const data = Buffer.allocUnsafe(blockLength(this.#entry.size_bytes, block));
    const { bytesRead } = await this.#data.read(data, 0, data.length, block * BLOCK_BYTES);
    return bytesRead === data.length ? data : undefined;
  }
}

/** Removes the folder of unfinished files if it is empty. */
export async function removePartialFolder(root: string): Promise<void> {
  await rmdir(join(root, PARTIAL_FOLDER)).catch(() => undefined);
}

function journalOf(partial: string): string {
  return partial.replace(/\.part$/, '.journal');
}

async function readJournal(journal: FileHandle): Promise<Set<number>> {
  const written = await journal.readFile();
  const blocks = new Set<number>();
  for (let at = 0; at + 4 <= written.length; at += 4) blocks.add(written.readUInt32BE(at));
  // A torn entry at the end would shift the entries that follow.
  if (written.length % 4 !== 0) await journal.truncate(written.length - (written.length % 4));
  return blocks;
}

async function writeAll(handle: FileHandle, data: Uint8Array, position: number | null): Promise<void> {
  for (let written = 0; written < data.byteLength; ) {
    const at = position === null ? null : position + written;
    const { bytesWritten } = await handle.write(data, written, data.byteLength - written, at).catch(diskFull);
    written += bytesWritten;
  }
}

function diskFull(cause: NodeJS.ErrnoException): never {
  if (cause.code !== 'ENOSPC' && cause.code !== 'EDQUOT') throw cause;
  throw new SleapRtcError('DISK_FULL', 'The disk became full while files were received.', { cause });
}
