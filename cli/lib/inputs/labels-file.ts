import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';

/** First bytes of an HDF5 superblock (HDF5 File Format Specification, section II.A). */
const HDF5_SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
/** A superblock may follow a block of user data: it starts at 0, at 512 or at a doubling of that. No program writes it after this offset. */
const LAST_SUPERBLOCK_OFFSET = 8192;
/** Size of a superblock of any version up to and including its end-of-file address. */
const SUPERBLOCK_BYTES = 64;

/**
 * Checks that a file is SLEAP labels that another machine can train on: HDF5, complete, and with embedded images. Does not read
 * the whole file.
 * @returns its size in bytes
 * @throws SleapRtcError FILE_NOT_FOUND, LABELS_INVALID, LABELS_CORRUPT
 */
export async function checkTrainingLabels(path: string): Promise<number> {
  const size = await checkLabels(path);
  if (!path.toLowerCase().endsWith('.pkg.slp') && !(await holdsImages(path))) {
    throw new SleapRtcError(
      'LABELS_INVALID',
      `${basename(path)} refers to its videos, and a worker does not have those.`,
      {
        remedy:
          'Export the labels with their images: in SLEAP, Predict → Export Labels Package… (.pkg.slp), or Export training job package.',
      },
    );
  }
  return size;
}

/**
 * Checks that a file is HDF5 and not cut short.
 * @returns its size in bytes
 * @throws SleapRtcError FILE_NOT_FOUND, LABELS_INVALID, LABELS_CORRUPT
 */
export async function checkLabels(path: string): Promise<number> {
  const size = await fileSize(path);
  const name = basename(path);
  if (size === 0) throw new SleapRtcError('LABELS_CORRUPT', `${name} is empty.`);
  const superblock = await findSuperblock(path, size);
  if (superblock === undefined) {
    throw new SleapRtcError('LABELS_INVALID', `${name} is not a SLEAP labels file (it is not HDF5).`);
  }
  const end = promisedEnd(superblock);
  if (end === undefined) throw new SleapRtcError('LABELS_CORRUPT', `${name} has a damaged HDF5 header.`);
  if (BigInt(size) < end) {
    throw new SleapRtcError('LABELS_CORRUPT', `${name} is cut short: it should have ${end} bytes and has ${size}.`);
  }
  return size;
}

/** Returns a file's size in bytes. @throws SleapRtcError FILE_NOT_FOUND if the file does not exist or cannot be read */
export async function fileSize(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new SleapRtcError('FILE_NOT_FOUND', `${path} is not a file.`);
    await (await open(path, 'r')).close();
    return found.size;
  } catch (error) {
    if (error instanceof SleapRtcError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EACCES' || code === 'EPERM' ? 'cannot be read: permission denied' : 'does not exist';
    throw new SleapRtcError('FILE_NOT_FOUND', `The file ${path} ${why}.`, { cause: error });
  }
}

interface Superblock {
  bytes: Buffer;
  /** Its position in the file. */
  offset: number;
}

async function findSuperblock(path: string, size: number): Promise<Superblock | undefined> {
  const file = await open(path, 'r');
  try {
    for (let offset = 0; offset < size && offset <= LAST_SUPERBLOCK_OFFSET; offset = offset === 0 ? 512 : offset * 2) {
      const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
      const { bytesRead } = await file.read(bytes, 0, SUPERBLOCK_BYTES, offset);
      if (bytesRead >= HDF5_SIGNATURE.length && bytes.subarray(0, 8).equals(HDF5_SIGNATURE)) {
        return { bytes: bytes.subarray(0, bytesRead), offset };
      }
    }
    return undefined;
  } finally {
    await file.close();
  }
}

/** Returns the smallest size that the file can have, in bytes, or undefined if the superblock is damaged. */
function promisedEnd({ bytes, offset }: Superblock): bigint | undefined {
  const version = bytes[8] ?? 255;
  if (version > 3) return undefined;
  // Versions 0 and 1: width of addresses at 13; from 24 (28 in version 1) base, free space, end of file.
  // Versions 2 and 3: width at 9; from 12 base, extension, end of file.
  const width = bytes[version < 2 ? 13 : 9] ?? 0;
  const first = version < 2 ? 24 + 4 * version : 12;
  const address = (index: number): bigint | undefined => {
    const at = first + index * width;
    if (at + width > bytes.length) return undefined;
    if (width === 8) return bytes.readBigUInt64LE(at);
    return width === 4 ? BigInt(bytes.readUInt32LE(at)) : undefined;
  };
  const base = address(0);
  const end = address(2);
  if (base === undefined || end === undefined || end === 0n) return undefined;
  // As in libhdf5: if a block was put in front of the file, all its addresses move by the block's size.
  return end + BigInt(offset) - base;
}

/**
 * Embedded images are datasets named `video0/video`, and the videos' JSON contains these names in plain text. Labels without
 * images are small, so reading them to the end is quick.
 */
async function holdsImages(path: string): Promise<boolean> {
  const name = /video\d+\/video/;
  let tail = '';
  for await (const chunk of createReadStream(path, { encoding: 'latin1', highWaterMark: 2 ** 20 })) {
    const text = tail + String(chunk);
    if (name.test(text)) return true;
    tail = text.slice(-32);
  }
  return false;
}
