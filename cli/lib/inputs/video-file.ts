import { type FileHandle, open } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { fileSize } from './labels-file.ts';

/** ISO/IEC 14496-12: bytes 4 to 7 are the first box's type. */
const isBoxed = (head: Buffer): boolean => /^[ -~]{4}$/.test(head.toString('latin1', 4, 8));
/** TIFF 6.0 and BigTIFF, in both byte orders. */
const isTiff = (head: Buffer): boolean => ['49492a00', '4d4d002a', '49492b00', '4d4d002b'].includes(hex(head));
const hex = (head: Buffer): string => head.toString('hex', 0, 4);

/** The video files that sleap-io opens, by extension, each with a check of its first bytes. Only the worker checks HDF5. */
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

/** Most boxes to check. The index and the first frames are among the first few. */
const MAX_BOXES = 64;

/**
 * Checks that SLEAP can probably read a video: a known extension, the right first bytes, and a complete file if it is MP4 or
 * QuickTime. Does not read the whole file.
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
    if (!beginsRight(head.subarray(0, bytesRead))) throw invalid(`${name} is not a ${ending} video.`);
    if (beginsRight === isBoxed) await checkBoxes(file, size, name);
  } finally {
    await file.close();
  }
}

/** An MP4 file is a sequence of boxes. Without the box `moov`, its index, no program can play it. */
async function checkBoxes(file: FileHandle, size: number, name: string): Promise<void> {
  const seen = new Set<string>();
  for (let at = 0, boxes = 0; at < size && boxes < MAX_BOXES; boxes++) {
    const box = await boxAt(file, at, size);
    // Some cameras append their own bytes.
    if (box === undefined) break;
    if (box.end > size)
      throw invalid(`${name} is cut short: it should have at least ${box.end} bytes and has ${size}.`);
    seen.add(box.type);
    if (seen.has('moov') && seen.has('mdat')) return;
    at = box.end;
  }
  if (!seen.has('moov')) throw invalid(`${name} has no index (moov). Its recording was probably interrupted.`);
}

/** Returns the box at a position, or undefined if there is none. */
async function boxAt(file: FileHandle, at: number, size: number): Promise<{ type: string; end: number } | undefined> {
  const head = Buffer.alloc(16);
  const { bytesRead } = await file.read(head, 0, 16, at);
  const type = head.toString('latin1', 4, 8);
  if (bytesRead < 8 || !/^[ -~]{4}$/.test(type)) return undefined;
  const length = head.readUInt32BE(0);
  // 0 means up to the end of the file; 1 means that the length follows in 64 bits.
  if (length === 0) return { type, end: size };
  const long = length === 1;
  if (long && bytesRead < 16) return undefined;
  const bytes = long ? Number(head.readBigUInt64BE(8)) : length;
  return bytes < (long ? 16 : 8) ? undefined : { type, end: at + bytes };
}

function invalid(sentence: string): SleapRtcError {
  return new SleapRtcError('VIDEO_INVALID', sentence);
}
