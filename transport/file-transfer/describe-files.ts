import type { FileEntry } from '../../protocol/files.ts';

/** A file to send: what is promised of it, and where it lies here. */
export interface SourceFile {
  entry: FileEntry;
  absolutePath: string;
  /** SHA-256 of each 1 MiB block, 32 bytes each; computed when first asked for where absent. */
  blockHashes?: Uint8Array;
}

/** Reads files to describe them: sizes and SHA-256. `path` is the name they will have at the receiver. */
export function describeFiles(
  _files: { absolutePath: string; path: string }[],
  _options: { signal?: AbortSignal } = {},
): Promise<SourceFile[]> {
  return Promise.resolve([]);
}
