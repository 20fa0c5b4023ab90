import { constants } from 'node:fs';
import { chmod, copyFile, type FileHandle, link, open, realpath, rename, rm, stat, utimes } from 'node:fs/promises';
import { sep } from 'node:path';
import type { FileEntry } from '../../../protocol/files.ts';
import { blockLength, hashBlock } from '../wire/blocks.ts';
import { BLOCK_BYTES } from '../wire/limits.ts';
import { BlockIndex, type BlockSource } from './block-index.ts';
import { type DescribedContent, describeContent } from './describe-files.ts';
import { prepareParents, syncFolderOf } from './destination.ts';
import { fileIdentity, settledTime } from './file-identity.ts';
import type { HashCache, KnownFile } from './hash-cache.ts';
import { PARTIAL_FOLDER, partialPath } from './partial-file.ts';

/** Which local files a receiver may use instead of receiving the same content. */
export interface Reuse {
  /** Files below these folders are used if the cache knows their hashes. Files in the destination are always used. */
  folders: string[];
  /**
   * Whether a received file may be a hard link to one of them, if the disk cannot clone files. Both names become read-only, and
   * nobody should change the file. If somebody does, the file is not used again.
   */
  link: boolean;
}

/** The files and blocks on this machine that need not be received, whatever their names. */
export class LocalBlocks {
  readonly #cache: HashCache;
  readonly #link: boolean;
  /** Paths of files, by the SHA-256 of their content. */
  readonly #bySha256 = new Map<string, Set<string>>();
  readonly #blocks = new BlockIndex();
  #open: { path: string; handle: FileHandle } | undefined;

  private constructor(cache: HashCache, link: boolean) {
    this.#cache = cache;
    this.#link = link;
  }

  /** Looks through the cache. @param root the destination. The caller closes what it gets. */
  static async open(cache: HashCache, root: string, reuse: Reuse = { folders: [], link: false }): Promise<LocalBlocks> {
    const localBlocks = new LocalBlocks(cache, reuse.link);
    const folders = [root, ...reuse.folders];
    const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
    for (const [path, known] of [...cache.entries()]) {
      if (real.some((folder) => folder !== undefined && path.startsWith(folder + sep))) localBlocks.#index(path, known);
    }
    return localBlocks;
  }

  /** Reads the hashes of a file in the destination. From now on its blocks are found, even if the file is to be replaced. */
  async describe(absolutePath: string): Promise<DescribedContent> {
    const known = await this.#cache.find(absolutePath);
    if (known !== undefined) return known;
    const content = await describeContent(absolutePath, { cache: this.#cache });
    if (content.identity !== undefined) this.#index(absolutePath, content);
    return content;
  }

  /** Adds a file that was received. */
  add(absolutePath: string, known: KnownFile): void {
    this.#cache.add(absolutePath, known);
    this.#index(absolutePath, known);
  }

  /** The block hashes of a file whose content is on this machine. */
  async hashesOf(entry: FileEntry): Promise<Uint8Array | undefined> {
    return (await this.#findFile(entry))?.known.blockHashes;
  }

  /** Whether `place` needs no more disk space for this file. */
  async canLink(entry: FileEntry): Promise<boolean> {
    return this.#link && (await this.#findFile(entry)) !== undefined;
  }

  /**
   * Puts a file into the destination whose content is on this machine, without copying it: as a clone if the disk can share blocks
   * between files (Btrfs, XFS, APFS), else as a hard link if that is allowed. The content is not read again, since the cache knows
   * that the file has not changed.
   * @returns whether the file is in the destination now
   */
  async place(root: string, entry: FileEntry): Promise<boolean> {
    const source = await this.#findFile(entry);
    if (source === undefined) return false;
    await prepareParents(root, `${PARTIAL_FOLDER}/x`);
    const beside = `${partialPath(root, entry)}.whole`;
    await rm(beside, { force: true });
    try {
      const isClone = await clone(source.path, beside);
      if (!isClone && !(this.#link && (await linkTo(source.path, beside)))) return false;
      // The file may have been written to while it got its second name.
      if (!isClone && (await this.#cache.afterLinking(source.path, source.known)) === undefined) return false;
      const to = await prepareParents(root, entry.path);
      await rename(beside, to);
      await syncFolderOf(to);
      this.add(to, { ...source.known, identity: fileIdentity(await stat(to, { bigint: true })) });
      if (!isClone) await this.#cache.afterLinking(source.path, source.known);
      return true;
    } finally {
      // A rename from one name of a file to another name of the same file leaves both.
      await rm(beside, { force: true });
    }
  }

  /** Finds and reads the block with this hash, and compares it with the hash. */
  async find(hash: Uint8Array): Promise<Buffer | undefined> {
    const place = this.#blocks.find(hash);
    const data = await place?.source.read(place.block);
    if (data !== undefined && hashBlock(data).equals(hash)) return data;
    if (place !== undefined) this.#blocks.remove(hash);
    return undefined;
  }

  /** Adds a block of an unfinished file: a file may contain the same block many times. */
  addBlock(hash: Uint8Array, source: BlockSource, block: number): void {
    this.#blocks.add(hash, source, block);
  }

  async close(): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  async #findFile({ sha256, size_bytes }: FileEntry): Promise<{ path: string; known: KnownFile } | undefined> {
    for (const path of this.#bySha256.get(sha256) ?? []) {
      const known = await this.#cache.find(path);
      if (known?.sha256 === sha256 && known.sizeBytes === size_bytes) return { path, known };
      this.#bySha256.get(sha256)?.delete(path);
    }
    return undefined;
  }

  #index(path: string, { sha256, sizeBytes, blockHashes }: DescribedContent): void {
    if (sizeBytes === 0) return;
    const paths = this.#bySha256.get(sha256) ?? new Set();
    this.#bySha256.set(sha256, paths.add(path));
    this.#blocks.addFile({ read: (block) => this.#read(path, block, blockLength(sizeBytes, block)) }, blockHashes);
  }

  async #read(path: string, block: number, length: number): Promise<Buffer | undefined> {
    try {
      if (this.#open?.path !== path) {
        if ((await this.#cache.find(path)) === undefined) return undefined;
        await this.close();
        this.#open = { path, handle: await open(path) };
      }
      const data = Buffer.allocUnsafe(length);
      const { bytesRead } = await this.#open.handle.read(data, 0, length, block * BLOCK_BYTES);
      return bytesRead === length ? data : undefined;
    } catch {
      return undefined;
    }
  }
}

/** Makes a file that shares its blocks with another until one of them is written to. Returns false if the disk cannot do that. */
async function clone(from: string, to: string): Promise<boolean> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    await utimes(to, settledTime(), settledTime());
    return true;
  } catch {
    await rm(to, { force: true });
    return false;
  }
}

async function linkTo(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    await chmod(to, 0o444);
    return true;
  } catch {
    return false;
  }
}
