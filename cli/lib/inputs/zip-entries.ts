import type { Entry, ZipFile } from 'yauzl';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { MAX_FILES, unsafePathReason } from '../../../protocol/files.ts';

/** Only entries larger than this, in bytes, can do harm by their compression. */
const RATIO_FROM_BYTES = 64 * 2 ** 20;
/** Highest accepted compression ratio. Labels contain compressed images, and even blank ones shrink less; deflate reaches 1032. */
const MAX_RATIO = 250;

const FILE_TYPE_MASK = 0o170000;
const REGULAR_FILE = 0o100000;
const FOLDER = 0o040000;
/** General purpose bit 11: the name is UTF-8. */
const UTF8_NAME = 0x800;

/** Files that file managers add to archives. */
const LITTER = /^__MACOSX\/|(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini)$/;

/**
 * Reads the list of a package's files. The whole package is refused if an entry is unsafe: a name that leaves the folder, a link,
 * a name that some file system cannot distinguish from another, encryption, an unknown method or an implausible compression ratio.
 * @returns the entries by name, without folders
 * @throws SleapRtcError PATH_UNSAFE, PACKAGE_INVALID
 */
export async function readZipEntries(zip: ZipFile, name: string): Promise<Map<string, Entry>> {
  if (zip.entryCount > MAX_FILES) throw invalid(name, `it has more than ${MAX_FILES} files`);
  const entries = new Map<string, Entry>();
  const taken = new Map<string, 'file' | 'folder'>();
  for await (const entry of zip.eachEntry()) {
    const path = entryName(entry);
    if (LITTER.test(path)) continue;
    checkName(path, name);
    const isFolder = path.endsWith('/');
    checkKind(entry, isFolder, path, name);
    claim(taken, path.replace(/\/$/, ''), isFolder, name);
    if (isFolder) continue;
    checkContent(entry, path, name);
    entries.set(path, entry);
  }
  return entries;
}

/** Decodes a name. yauzl must not decode names, since it would repair unsafe ones before they can be refused. */
function entryName(entry: Entry): string {
  const raw = entry.fileName as unknown as Buffer;
  return raw.toString(entry.generalPurposeBitFlag & UTF8_NAME || isUtf8(raw) ? 'utf8' : 'latin1');
}

function isUtf8(raw: Buffer): boolean {
  return !raw.toString('utf8').includes('\ufffd');
}

function checkName(path: string, name: string): void {
  const reason = unsafePathReason(path.replace(/\/$/, ''));
  if (reason === undefined) return;
  throw new SleapRtcError('PATH_UNSAFE', `${name} contains a file named ${JSON.stringify(path)}: ${reason}.`, {
    remedy: 'If you do not know who made this package, do not use it. Otherwise export it again from SLEAP.',
  });
}

function checkKind(entry: Entry, isFolder: boolean, path: string, name: string): void {
  // The upper half is the Unix mode if the archive was made on Unix, else 0.
  const type = (entry.externalFileAttributes >>> 16) & FILE_TYPE_MASK;
  if (type === 0 || type === (isFolder ? FOLDER : REGULAR_FILE)) return;
  throw new SleapRtcError('PATH_UNSAFE', `${name} contains a link or special file: ${path}.`, {
    remedy: 'If you do not know who made this package, do not use it. Otherwise export it again from SLEAP.',
  });
}

/** Reserves a path and its parent folders. @throws SleapRtcError PACKAGE_INVALID if a path is used twice, in any case and spelling */
function claim(taken: Map<string, 'file' | 'folder'>, path: string, isFolder: boolean, name: string): void {
  const parts = path.normalize('NFC').toLowerCase().split('/');
  parts.forEach((_, depth) => {
    const key = parts.slice(0, depth + 1).join('/');
    const wanted = depth < parts.length - 1 || isFolder ? 'folder' : 'file';
    const before = taken.get(key);
    if (before !== undefined && (before === 'file' || wanted === 'file')) {
      throw invalid(name, `two of its files have the same name (${path})`);
    }
    taken.set(key, wanted);
  });
}

function checkContent(entry: Entry, path: string, name: string): void {
  if (entry.isEncrypted()) throw invalid(name, `${path} is encrypted`);
  if (!entry.canDecodeFileData()) throw invalid(name, `${path} has an unsupported compression`);
  const { uncompressedSize: size, compressedSize } = entry;
  if (size > RATIO_FROM_BYTES && size > compressedSize * MAX_RATIO) {
    throw invalid(name, `${path} is implausibly large when unpacked`);
  }
}

/** The error for a package that cannot be used. */
export function invalid(name: string, reason: string, cause?: unknown): SleapRtcError {
  return new SleapRtcError('PACKAGE_INVALID', `${name} cannot be used: ${reason}.`, { cause });
}
