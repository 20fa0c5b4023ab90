import { extname, resolve } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { checkTrainingLabels, fileSize } from './labels-file.ts';
import type { PreparedFiles } from './prepared-files.ts';
import { WireNames } from './wire-names.ts';

/** Endings of the videos that sleap-io opens as one file. */
const VIDEOS = ['.mp4', '.avi', '.mov', '.mj2', '.mkv', '.h5', '.hdf5', '.tif', '.tiff'];

/** What will be predicted on. */
export interface PreparedInference extends PreparedFiles {
  /** The input's name on the wire. */
  input: string;
}

/**
 * Checks a video, or labels with their images.
 * @throws SleapRtcError FILE_NOT_FOUND, LABELS_INVALID, LABELS_CORRUPT, USAGE
 */
export async function prepareInference(path: string): Promise<PreparedInference> {
  const ending = extname(path).toLowerCase();
  const isLabels = ending === '.slp';
  const size = isLabels ? await checkTrainingLabels(path) : await fileSize(path);
  if (!isLabels && !VIDEOS.includes(ending)) {
    throw new SleapRtcError('USAGE', `${path} is neither a video (${VIDEOS.join(' ')}) nor labels (.slp).`, {
      remedy: 'Convert it, e.g. with `ffmpeg -i INPUT -c:v libx264 -pix_fmt yuv420p OUTPUT.mp4`.',
    });
  }
  if (size === 0) throw new SleapRtcError('USAGE', `${path} is empty.`, { remedy: 'Check that it was copied whole.' });
  const input = new WireNames().forFile(path);
  return {
    name: input,
    input,
    files: [{ absolutePath: resolve(path), path: input }],
    remarks: [],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
