import { createHash } from 'node:crypto';
import { mkdir, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { Sha256 } from '../../../protocol/ids.ts';
import { blockCount } from '../wire/blocks.ts';
import { HASH_BYTES, MAX_CACHED_BLOCK_HASHES, MAX_CACHED_FILES } from '../wire/limits.ts';
import { differByLinksOnly, fileIdentity } from './file-identity.ts';

/** What is known of a file's content. */
export interface KnownContent {
  sizeBytes: number;
  /** In hex. */
  sha256: string;
  /** SHA-256 of each block, 32 bytes each. */
  blockHashes: Uint8Array;
}

/** The content of a file as it was with this identity (see `file-identity.ts`). */
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
    /** Base64; empty for a file of one block, whose hash is the file's. */
    blocks: z.string(),
  }),
);

/**
 * Remembers the hashes of files, so that what has not changed need not be read to be offered, or to be found whole. Bounded:
 * what was used longest ago is forgotten. In memory, and where it has a file also there, readable by its owner only; of several
 * processes that save at a time the last one's memory stays, which costs the others some hashing.
 */
export class HashCache {
  readonly #path: string | undefined;
  /** By absolute path; used latest last. */
  readonly #files: Map<string, KnownFile>;
  #blocks = 0;
  #isChanged = false;

  private constructor(path: string | undefined, files: Map<string, KnownFile>) {
    this.#path = path;
    this.#files = files;
    for (const { blockHashes } of files.values()) this.#blocks += blockHashes.byteLength / HASH_BYTES;
  }

  /** Reads what an earlier process has saved. A damaged or absent file counts as empty: it only costs hashing. */
  static async open(path: string): Promise<HashCache> {
    return new HashCache(path, await load(path));
  }

  /** One that is forgotten with the process. */
  static inMemory(): HashCache {
    return new HashCache(undefined, new Map());
  }

  /** What is known of the file's content, if it is still as it was. */
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

  /** Remembers a file. To be called only where its content is sure to have belonged to that identity. */
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
   * Goes on knowing a file that has just got or lost another name by our own doing. To be called with what `find` said before;
   * undefined where the file was changed meanwhile.
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

  /** All that is remembered, used latest last. Whether a file is still as it was is not looked at. */
  entries(): IterableIterator<[absolutePath: string, known: KnownFile]> {
    return this.#files.entries();
  }

  /** Writes it to its file, where it has one and something is new. A disk that does not take it is let be. */
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
      // Hashing again next time is all that it costs.
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

/** A torn or altered file would make a sender promise what it has not. */
function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}
