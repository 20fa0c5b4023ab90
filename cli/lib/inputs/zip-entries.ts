import type { Entry, ZipFile } from 'yauzl';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { MAX_FILES, unsafePathReason } from '../../../protocol/files.ts';

/** From this size on (bytes) an entry's compression is looked at: small ones can do no harm. */
const RATIO_FROM_BYTES = 64 * 2 ** 20;
/** Labels hold images that are compressed already; even blank ones do not shrink this much, while deflate's most is 1032. */
const MAX_RATIO = 250;

const FILE_TYPE_MASK = 0o170000;
const REGULAR_FILE = 0o100000;
const FOLDER = 0o040000;
/** General purpose bit 11: the name is UTF-8. */
const UTF8_NAME = 0x800;

/** What finder programs add to archives, of no meaning to us. */
const LITTER = /^__MACOSX\/|(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini)$/;

/**
 * Reads the list of a package's files, none of which is believed: names that leave their folder, links, two names that one file
 * system would store as one, encrypted, unknown or impossibly well compressed entries refuse the whole package.
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

/** The zip is opened without decoding names, so that yauzl does not repair the unsafe ones before we see them. */
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
  throw new SleapRtcError('PATH_UNSAFE', `${name} holds a file named ${JSON.stringify(path)}: ${reason}.`, {
    remedy: 'Do not use this package if you do not know who made it; else export it again from SLEAP.',
  });
}

function checkKind(entry: Entry, isFolder: boolean, path: string, name: string): void {
  // Upper half: the Unix mode where the archive was made on Unix, else 0.
  const type = (entry.externalFileAttributes >>> 16) & FILE_TYPE_MASK;
  if (type === 0 || type === (isFolder ? FOLDER : REGULAR_FILE)) return;
  throw new SleapRtcError('PATH_UNSAFE', `${name} holds a link or special file: ${path}.`, {
    remedy: 'Do not use this package if you do not know who made it; else export it again from SLEAP.',
  });
}

/** A name, and every folder on the way to it, may be used once in any case and spelling, and as one kind of thing. */
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
  if (!entry.canDecodeFileData()) throw invalid(name, `${path} is compressed in a way that is not read here`);
  const { uncompressedSize: size, compressedSize } = entry;
  if (size > RATIO_FROM_BYTES && size > compressedSize * MAX_RATIO) {
    throw invalid(name, `${path} would grow out of all proportion when unpacked`);
  }
}

/** A package that cannot be used, and why. */
export function invalid(name: string, reason: string, cause?: unknown): SleapRtcError {
  return new SleapRtcError('PACKAGE_INVALID', `${name} cannot be used: ${reason}.`, { cause });
}
