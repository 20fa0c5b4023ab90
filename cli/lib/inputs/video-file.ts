import { type FileHandle, open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { fileSize } from './labels-file.ts';

/** ISO/IEC 14496-12: the second word is the first box's type. */
const isBoxed = (head: Buffer): boolean => /^[ -~]{4}$/.test(head.toString('latin1', 4, 8));
/** TIFF 6.0 and BigTIFF, of either byte order. */
const isTiff = (head: Buffer): boolean => ['49492a00', '4d4d002a', '49492b00', '4d4d002b'].includes(hex(head));
const hex = (head: Buffer): string => head.toString('hex', 0, 4);

/** The videos that sleap-io opens as one file, by their ending, and whether they begin as such do; HDF5 is left to the worker. */
const VIDEOS: Record<string, ((head: Buffer) => boolean) | undefined> = {
  '.mp4': isBoxed,
  '.mov': isBoxed,
  '.mj2': isBoxed,
  '.avi': (head) => head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'AVI ',
  // EBML (RFC 8794).
  '.mkv': (head) => hex(head) === '1a45dfa3',
  '.tif': isTiff,
  '.tiff': isTiff,
  '.h5': () => true,
  '.hdf5': () => true,
};
const BEGINNING_BYTES = 12;

/** Boxes looked at: the index and the first pictures stand among the first few. */
const MAX_BOXES = 64;

/**
 * Checks, without reading it all, that a file is a video that SLEAP may read: known ending, right beginning, and where it is
 * an MP4 or QuickTime file, not cut short.
 * @throws SleapRtcError FILE_NOT_FOUND, VIDEO_INVALID
 */
export async function checkVideo(path: string): Promise<void> {
  const size = await fileSize(path);
  const name = basename(path);
  const ending = extname(path).toLowerCase();
  const beginsRight = VIDEOS[ending];
  if (beginsRight === undefined) {
    const known = Object.keys(VIDEOS).join(' ');
    throw invalid(`${name} is neither a video (${known}) nor labels (.slp).`);
  }
  if (size === 0) throw invalid(`${name} is empty.`);
  const file = await open(path, 'r');
  try {
    const head = Buffer.alloc(BEGINNING_BYTES);
    const { bytesRead } = await file.read(head, 0, BEGINNING_BYTES, 0);
    if (!beginsRight(head.subarray(0, bytesRead))) throw invalid(`${name} is no ${ending} video.`);
    if (beginsRight === isBoxed) await checkBoxes(file, size, name);
  } finally {
    await file.close();
  }
}

/** A file is a row of boxes; without `moov`, the index, nothing in it can be found. */
async function checkBoxes(file: FileHandle, size: number, name: string): Promise<void> {
  const seen = new Set<string>();
  for (let at = 0, boxes = 0; at < size && boxes < MAX_BOXES; boxes++) {
    const box = await boxAt(file, at, size);
    // Some cameras put bytes of their own at the end.
    if (box === undefined) break;
    if (box.end > size) throw invalid(`${name} is cut short: it should have ${box.end} bytes or more and has ${size}.`);
    seen.add(box.type);
    if (seen.has('moov') && seen.has('mdat')) return;
    at = box.end;
  }
  if (!seen.has('moov')) throw invalid(`${name} has no index (moov), as of a recording that was broken off.`);
}

/** The box that begins at `at`; undefined where none does. */
async function boxAt(file: FileHandle, at: number, size: number): Promise<{ type: string; end: number } | undefined> {
  const head = Buffer.alloc(16);
  const { bytesRead } = await file.read(head, 0, 16, at);
  const type = head.toString('latin1', 4, 8);
  if (bytesRead < 8 || !/^[ -~]{4}$/.test(type)) return undefined;
  const length = head.readUInt32BE(0);
  // 0: up to the end of the file. 1: the true length follows in 64 bits.
  if (length === 0) return { type, end: size };
  const long = length === 1;
  if (long && bytesRead < 16) return undefined;
  const bytes = long ? Number(head.readBigUInt64BE(8)) : length;
  return bytes < (long ? 16 : 8) ? undefined : { type, end: at + bytes };
}

function invalid(sentence: string): SleapRtcError {
  return new SleapRtcError('VIDEO_INVALID', sentence);
}
