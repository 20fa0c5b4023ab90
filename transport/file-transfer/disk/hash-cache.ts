import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { Sha256 } from '../../../protocol/ids.ts';
import { blockCount } from '../wire/blocks.ts';
import { HASH_BYTES } from '../wire/limits.ts';
import { differByLinksOnly, fileIdentity } from './file-identity.ts';
import { MAX_CACHED_BLOCK_HASHES, MAX_CACHED_FILES } from './limits.ts';

/** What is known of a file's content. */
export interface KnownContent {
  sizeBytes: number;
  /** In hex. */
  sha256: string;
  /** SHA-256 of each block, 32 bytes each. */
  blockHashes: Uint8Array;
}

/** A file's content at the time when the file had this identity (see `file-identity.ts`). */
export interface KnownFile extends KnownContent {
  identity: string;
}

const HEADER = 'sleap-rtc-hashes 1';
const StoredFiles = z.array(
  z.object({
    path: z.string(),
    identity: z.string(),
    size: z.int().min(0),
    sha256: Sha256,
    /** In base64. Empty for a file of one block, whose hash is the file's. */
    blocks: z.string(),
  }),
);

/**
 * Remembers the hashes of files, so that a file that has not changed need not be read again. When the cache is full, it forgets the
 * least recently used files. It is in memory, and optionally in a file that only its owner can read. If several processes save it
 * at the same time, the last one's content stays, which costs the others some hashing.
 */
export class HashCache {
  readonly #path: string | undefined;
  /** By absolute path; the most recently used last. */
  readonly #files: Map<string, KnownFile>;
  #blocks = 0;
  #isChanged = false;

  private constructor(path: string | undefined, files: Map<string, KnownFile>) {
    this.#path = path;
    this.#files = files;
    for (const { blockHashes } of files.values()) this.#blocks += blockHashes.byteLength / HASH_BYTES;
  }

  /** Reads what an earlier process saved. A damaged or missing file counts as empty: it costs only hashing. */
  static async open(path: string): Promise<HashCache> {
    return new HashCache(path, await load(path));
  }

  /** Makes an empty cache that is never saved. */
  static inMemory(): HashCache {
    return new HashCache(undefined, new Map());
  }

  /** What is known of the file's content. Undefined if nothing is, or if the file has changed. */
  async find(absolutePath: string): Promise<KnownFile | undefined> {
    const known = this.#files.get(absolutePath);
    if (known === undefined) return undefined;
    const found = await stat(absolutePath, { bigint: true }).catch(() => undefined);
    if (found === undefined || !found.isFile() || fileIdentity(found) !== known.identity) {
      this.forget(absolutePath);
      return undefined;
    }
    this.#files.delete(absolutePath);
    this.#files.set(absolutePath, known);
    this.#isChanged = true;
    return known;
  }

  /** Adds a file. The caller is sure that the file had this content while it had this identity. */
  add(absolutePath: string, known: KnownFile): void {
    this.forget(absolutePath);
    this.#files.set(absolutePath, known);
    this.#blocks += known.blockHashes.byteLength / HASH_BYTES;
    this.#isChanged = true;
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= MAX_CACHED_FILES && this.#blocks <= MAX_CACHED_BLOCK_HASHES) break;
      this.forget(oldest);
    }
  }

  /**
   * Updates what is known of a file after this process has added or removed a hard link to it. Returns undefined if the file was
   * changed in between.
   * @param known what `find` returned before that
   */
  async afterLinking(absolutePath: string, known: KnownFile): Promise<KnownFile | undefined> {
    const found = await stat(absolutePath, { bigint: true }).catch(() => undefined);
    const identity = found?.isFile() ? fileIdentity(found) : '';
    if (!differByLinksOnly(identity, known.identity)) return undefined;
    const renewed = { ...known, identity };
    this.add(absolutePath, renewed);
    return renewed;
  }

  forget(absolutePath: string): void {
    const known = this.#files.get(absolutePath);
    if (known === undefined) return;
    this.#files.delete(absolutePath);
    this.#blocks -= known.blockHashes.byteLength / HASH_BYTES;
    this.#isChanged = true;
  }

  /** All that is remembered, the most recently used last. Does not check whether the files have changed. */
  entries(): IterableIterator<[absolutePath: string, known: KnownFile]> {
    return this.#files.entries();
  }

  /** Saves the cache to its file, if it has one and something has changed. A failure to write is ignored. */
  async save(): Promise<void> {
    if (this.#path === undefined || !this.#isChanged) return;
    this.#isChanged = false;
    const stored = [...this.#files].map(([path, { identity, sizeBytes, sha256, blockHashes }]) => {
      const blocks = blockCount(sizeBytes) === 1 ? '' : Buffer.from(blockHashes).toString('base64');
      return { path, identity, size: sizeBytes, sha256, blocks };
    });
    const body = JSON.stringify(stored);
    const { default: writeFileAtomic } = await import('write-file-atomic');
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      await writeFileAtomic(this.#path, `${HEADER} ${checksum(body)}\n${body}`, { mode: 0o600, fsync: false });
    } catch {
      // It costs only hashing, next time.
    }
  }
}

async function load(path: string): Promise<Map<string, KnownFile>> {
  const files = new Map<string, KnownFile>();
  try {
    const text = await readFile(path, 'utf8');
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    if (text.slice(0, end) !== `${HEADER} ${checksum(body)}`) return files;
    for (const { path, identity, size, sha256, blocks } of StoredFiles.parse(JSON.parse(body))) {
      const blockHashes = Buffer.from(blockCount(size) === 1 ? sha256 : blocks, blocks === '' ? 'hex' : 'base64');
      if (blockHashes.length !== blockCount(size) * HASH_BYTES) continue;
      files.set(path, { identity, sizeBytes: size, sha256, blockHashes });
    }
  } catch {
    files.clear();
  }
  return files;
}

/** With a torn or changed cache a sender would promise content that it does not have. */
function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}
