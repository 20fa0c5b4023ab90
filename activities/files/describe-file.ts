import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import type { FileEntry } from '../../protocol/files.ts';

/** A file's size and SHA-256, under the name `path`. */
export async function describeFile(file: string, path: string): Promise<FileEntry> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return { path, size_bytes: (await stat(file)).size, sha256: hash.digest('hex') };
}
