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

/** Which of a receiver's files may serve for those that are offered. */
export interface Reuse {
  /** Files below these folders whose hashes the cache knows; what lies in the destination itself always serves. */
  folders: string[];
  /**
   * Whether a whole file may be a further name (hard link) of one of those, where the disk cannot share their blocks otherwise.
   * Both become read-only and must stay as they are; one that is written to all the same is not used again.
   */
  link: boolean;
}

/** What a receiver has of the offered content already, under whatever name. */
export class Holdings implements AsyncDisposable {
  readonly #cache: HashCache;
  readonly #link: boolean;
  readonly #bySha256 = new Map<string, Set<string>>();
  readonly #blocks = new BlockIndex();
  #open: { path: string; handle: FileHandle } | undefined;

  private constructor(cache: HashCache, link: boolean) {
    this.#cache = cache;
    this.#link = link;
  }

  /** @param root the destination */
  static async open(cache: HashCache, root: string, reuse: Reuse = { folders: [], link: false }): Promise<Holdings> {
    const holdings = new Holdings(cache, reuse.link);
    const folders = [root, ...reuse.folders];
    const real = await Promise.all(folders.map((folder) => realpath(folder).catch(() => undefined)));
    for (const [path, known] of [...cache.entries()]) {
      if (real.some((folder) => folder !== undefined && path.startsWith(folder + sep))) holdings.#index(path, known);
    }
    return holdings;
  }

  /** The hashes of a file in the destination. It serves from now on, whether or not it is what is wanted under its name. */
  async describe(absolutePath: string): Promise<DescribedContent> {
    const known = await this.#cache.find(absolutePath);
    if (known !== undefined) return known;
    const content = await describeContent(absolutePath, { cache: this.#cache });
    if (content.identity !== undefined) this.#index(absolutePath, content);
    return content;
  }

  /** Remembers a file that has come to the destination. */
  add(absolutePath: string, known: KnownFile): void {
    this.#cache.add(absolutePath, known);
    this.#index(absolutePath, known);
  }

  /** The block hashes of content that is here. */
  async hashesOf(entry: FileEntry): Promise<Uint8Array | undefined> {
    return (await this.#find(entry))?.known.blockHashes;
  }

  /** Whether `place` needs no more room on the disk for this file. */
  async canLink(entry: FileEntry): Promise<boolean> {
    return this.#link && (await this.#find(entry)) !== undefined;
  }

  /**
   * Gives content that is here this name too, without copying it: as a clone where the disk can share blocks between files
   * (Btrfs, XFS, APFS), else as a link where that is allowed. The cache vouches for the content, whose file has not changed.
   * @returns whether it is there now
   */
  async place(root: string, entry: FileEntry): Promise<boolean> {
    const source = await this.#find(entry);
    if (source === undefined) return false;
    await prepareParents(root, `${PARTIAL_FOLDER}/x`);
    const beside = `${partialPath(root, entry)}.whole`;
    await rm(beside, { force: true });
    try {
      const isClone = await clone(source.path, beside);
      if (!isClone && !(this.#link && (await linkTo(source.path, beside)))) return false;
      // A file that was written to while it got its second name is not what it was.
      if (!isClone && (await this.#cache.afterLinking(source.path, source.known)) === undefined) return false;
      const to = await prepareParents(root, entry.path);
      await rename(beside, to);
      await syncFolderOf(to);
      this.add(to, { ...source.known, identity: fileIdentity(await stat(to, { bigint: true })) });
      if (!isClone) await this.#cache.afterLinking(source.path, source.known);
      return true;
    } finally {
      // Renaming a link to another name of the same file leaves both.
      await rm(beside, { force: true });
    }
  }

  /** A block with this hash, read and compared with it. */
  async block(hash: Uint8Array): Promise<Buffer | undefined> {
    const place = this.#blocks.find(hash);
    const data = await place?.source.read(place.block);
    if (data !== undefined && hashBlock(data).equals(hash)) return data;
    if (place !== undefined) this.#blocks.remove(hash);
    return undefined;
  }

  /** Lets a block of an unfinished file serve: a file may hold the same block many times. */
  addBlock(hash: Uint8Array, source: BlockSource, block: number): void {
    this.#blocks.add(hash, source, block);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open?.handle.close();
    this.#open = undefined;
  }

  async #find({ sha256, size_bytes }: FileEntry): Promise<{ path: string; known: KnownFile } | undefined> {
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
        await this[Symbol.asyncDispose]();
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

/** A file with the same content that is independent of the first and takes no time to make, where the disk can do that. */
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
