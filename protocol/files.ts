import { z } from 'zod';
import { Sha256 } from './ids.ts';

/** Longest relative path accepted from the wire, in characters. */
export const MAX_PATH_LENGTH = 512;
/** Most files in one transfer. */
export const MAX_FILES = 10_000;
/** Largest sum of a job's files, in bytes: 4 PiB, which numbers still count exactly. The server allows less by default. */
export const MAX_JOB_BYTES = 2 ** 52;
/** Largest single file, in bytes (1 TiB). */
export const MAX_FILE_BYTES = 2 ** 40;

/** Names of devices, with whatever ending (Microsoft, "Naming Files, Paths, and Namespaces"); ¹²³ count as digits there. */
const WINDOWS_RESERVED = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\.|$)/i;

/**
 * Returns why a relative path from the wire must not be written, or undefined if it is safe on Linux, macOS and Windows:
 * relative, `/`-separated, no `.`/`..`/empty segments, no control or reserved characters, no device names.
 */
export function unsafePathReason(path: string): string | undefined {
  if (path.length === 0 || path.length > MAX_PATH_LENGTH) return `a path has 1 to ${MAX_PATH_LENGTH} characters`;
  if (!path.isWellFormed()) return 'it is no valid Unicode';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused here
  if (/[\u0000-\u001f\u007f-\u009f\\:*?"<>|]/.test(path)) return 'it holds a character that not every system can store';
  for (const segment of path.split('/')) {
    if (segment === '') return 'it is absolute or has an empty part';
    if (segment === '.' || segment === '..') return 'it leaves its folder';
    if (Buffer.byteLength(segment) > 255) return 'a part of it is longer than 255 bytes';
    if (/[. ]$/.test(segment)) return 'a part of it ends with a dot or a space';
    if (WINDOWS_RESERVED.test(segment)) return 'a part of it is a reserved device name';
  }
  return undefined;
}

/**
 * Returns the same string for two paths if some system stores them as one file. macOS and Windows do not distinguish capitals from
 * small letters (by more than one rule: ß and ẞ, ſ and s), nor composed from decomposed characters.
 */
export function foldedPath(path: string): string {
  return path.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC');
}

/** Why a path must not be used on the wire: sleap-nn's configs contain paths, and would replace an interpolation in one. */
function refusedPathReason(path: string): string | undefined {
  return unsafePathReason(path) ?? (path.includes('${') ? 'it looks like an interpolation' : undefined);
}

/** A relative path that is safe to write below a folder of ours, and to name in a config. */
export const RelPath = z
  .string()
  .max(MAX_PATH_LENGTH, { error: `unsafe path: a path has 1 to ${MAX_PATH_LENGTH} characters`, abort: true })
  .refine((path) => refusedPathReason(path) === undefined, {
    error: (issue) => `unsafe path: ${refusedPathReason(String(issue.input)) ?? 'refused'}`,
  });

/** One file as it is promised before its bytes move. */
export const FileEntry = z.object({
  path: RelPath,
  size_bytes: z.int().min(0).max(MAX_FILE_BYTES),
  sha256: Sha256,
});
export type FileEntry = z.infer<typeof FileEntry>;

/** The short name of a dataset file in the list that a worker sends: the beginning of its hash, enough to distinguish the files. */
export function heldFileName(sha256: string): string {
  return sha256.slice(0, 16);
}

/** Bytes of all the files together. */
export function totalBytes(files: readonly Pick<FileEntry, 'size_bytes'>[]): number {
  return files.reduce((sum, file) => sum + file.size_bytes, 0);
}

/** A list of files without two that some system would store as one. */
export const FileList = z
  .array(FileEntry)
  .max(MAX_FILES)
  .refine((files) => new Set(files.map((file) => foldedPath(file.path))).size === files.length, {
    error: 'two files have the same name',
  });
