import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type FileEntry, unsafePathReason } from '../../protocol/files.ts';
import { hashBlock } from './blocks.ts';
import { BLOCK_BYTES } from './limits.ts';

/** A file to send: what is promised of it, and where it lies here. */
export interface SourceFile {
  entry: FileEntry;
  absolutePath: string;
  /**
   * SHA-256 of each 1 MiB block, 32 bytes each. Where absent, it is computed when the receiver asks, and a change of the
   * file before that is noticed only by the receiver.
   */
  blockHashes?: Uint8Array;
}

/**
 * Reads files to describe them: sizes and SHA-256.
 * @param files `path` is the name that the file will have at the receiver
 * @throws SleapRtcError FILE_NOT_FOUND, PATH_UNSAFE
 */
export async function describeFiles(
  files: { absolutePath: string; path: string }[],
  options: { signal?: AbortSignal } = {},
): Promise<SourceFile[]> {
  const described: SourceFile[] = [];
  for (const file of files) described.push(await describeFile(file, options.signal));
  return described;
}

async function describeFile(
  { absolutePath, path }: { absolutePath: string; path: string },
  signal: AbortSignal | undefined,
): Promise<SourceFile> {
  const unsafe = unsafePathReason(path);
  if (unsafe !== undefined) throw new SleapRtcError('PATH_UNSAFE', `"${path}" cannot be sent: ${unsafe}.`);
  const handle = await open(absolutePath).catch((cause: unknown) => {
    throw new SleapRtcError('FILE_NOT_FOUND', `${absolutePath} cannot be read.`, { cause });
  });
  try {
    if (!(await handle.stat()).isFile()) throw new SleapRtcError('FILE_NOT_FOUND', `${absolutePath} is not a file.`);
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
    const entry = { path, size_bytes: sizeBytes, sha256: whole.digest('hex') };
    return { entry, absolutePath, blockHashes: Buffer.concat(hashes) };
  } finally {
    await handle.close();
  }
}

/** One block from `position` on; shorter only at the file's end, where a single read may be shorter anywhere. */
async function readBlock(handle: Awaited<ReturnType<typeof open>>, position: number): Promise<Buffer> {
  const block = Buffer.allocUnsafe(BLOCK_BYTES);
  let filled = 0;
  while (filled < BLOCK_BYTES) {
    const { bytesRead } = await handle.read(block, filled, BLOCK_BYTES - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return block.subarray(0, filled);
}
