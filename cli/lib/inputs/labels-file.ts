import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { findSuperblock } from '../../../labels/index.ts';
import { SleapRtcError } from '../../../protocol/errors.ts';

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
  const superblock = await findSuperblock(path);
  if (superblock === undefined) {
    throw new SleapRtcError('LABELS_INVALID', `${name} is not a SLEAP labels file (it is not HDF5).`);
  }
  const end = superblock.promisedEnd;
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
