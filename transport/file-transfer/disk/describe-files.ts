import { createHash } from 'node:crypto';
import { type FileHandle, open, utimes } from 'node:fs/promises';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { type FileEntry, unsafePathReason } from '../../../protocol/files.ts';
import { hashBlock } from '../wire/blocks.ts';
import { BLOCK_BYTES } from '../wire/limits.ts';
import { fileIdentity, isSettled, settledTime } from './file-identity.ts';
import type { HashCache, KnownContent } from './hash-cache.ts';

/** A file to send. */
export interface SourceFile {
  /** What the receiver is promised. */
  entry: FileEntry;
  absolutePath: string;
  /**
   * SHA-256 of each 1 MiB block, 32 bytes each. If absent, they are computed when the receiver requests them, and only the receiver
   * notices if the file has changed before that.
   */
  blockHashes?: Uint8Array;
  /** As long as the file has this identity, its blocks need not be compared with their hashes (see `file-identity.ts`). */
  identity?: string;
}

/** A file's content, and the file's identity if any later change of the content would change it too. */
export interface DescribedContent extends KnownContent {
  identity?: string;
}

/**
 * Describes files by size and SHA-256. Reads those that the cache does not know.
 * @param files `path` is the file's name at the receiver
 * @throws SleapRtcError FILE_NOT_FOUND, PATH_UNSAFE
 */
export async function describeFiles(
  files: { absolutePath: string; path: string }[],
  options: { signal?: AbortSignal; cache?: HashCache } = {},
): Promise<SourceFile[]> {
  const described: SourceFile[] = [];
  try {
    for (const { absolutePath, path } of files) {
      const unsafe = unsafePathReason(path);
      if (unsafe !== undefined) throw new SleapRtcError('PATH_UNSAFE', `"${path}" cannot be sent: ${unsafe}.`);
      const { sizeBytes, sha256, ...known } = await describeContent(absolutePath, options);
      described.push({ entry: { path, size_bytes: sizeBytes, sha256 }, absolutePath, ...known });
    }
  } finally {
    await options.cache?.save();
  }
  return described;
}

/**
 * The hashes of a file: from the cache if the file has not changed since, else from reading it.
 * @throws SleapRtcError FILE_NOT_FOUND
 */
export async function describeContent(
  absolutePath: string,
  { signal, cache }: { signal?: AbortSignal; cache?: HashCache } = {},
): Promise<DescribedContent> {
  const known = await cache?.find(absolutePath);
  if (known !== undefined) return known;
  const handle = await open(absolutePath).catch((cause: unknown) => {
    throw new SleapRtcError('FILE_NOT_FOUND', `${absolutePath} cannot be read.`, { cause });
  });
  try {
    const beganMs = Date.now();
    const before = await handle.stat({ bigint: true });
    if (!before.isFile()) throw new SleapRtcError('FILE_NOT_FOUND', `${absolutePath} is not a file.`);
    const content = await hashContent(handle, signal);
    const identity = fileIdentity(before);
    const after = fileIdentity(await handle.stat({ bigint: true }));
    if (identity !== after || !isSettled(before, beganMs)) return content;
    cache?.add(absolutePath, { ...content, identity });
    return { ...content, identity };
  } finally {
    await handle.close();
  }
}

/**
 * Adds a file to the cache that this process has written and will not write to again. The file gets an earlier time of change,
 * because the cache cannot know files that were changed just now.
 */
export async function cacheOwnFile(absolutePath: string, cache: HashCache): Promise<void> {
  if ((await cache.find(absolutePath)) !== undefined) return;
  await utimes(absolutePath, settledTime(), settledTime());
  await describeContent(absolutePath, { cache });
}

async function hashContent(handle: FileHandle, signal: AbortSignal | undefined): Promise<KnownContent> {
  const whole = createHash('sha256');
  const hashes: Buffer[] = [];
  let sizeBytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const block = await readBlock(handle, sizeBytes);
    if (block.length === 0) break;
    whole.update(block);
    hashes.push(hashBlock(block));
    sizeBytes += block.length;
    if (block.length < BLOCK_BYTES) break;
  }
  return { sizeBytes, sha256: whole.digest('hex'), blockHashes: Buffer.concat(hashes) };
}

/** Reads one block from `position` on. It is shorter only at the file's end, unlike a single `read`. */
async function readBlock(handle: FileHandle, position: number): Promise<Buffer> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let filled = 0;
  while (filled < BLOCK_BYTES) {
    const { bytesRead } = await handle.read(block, filled, BLOCK_BYTES - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return block.subarray(0, filled);
}
