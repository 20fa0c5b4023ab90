import { extname, resolve } from 'node:path';
import { checkTrainingLabels } from './labels-file.ts';
import { type PreparedFiles, refuseOutside } from './prepared-files.ts';
import { checkVideo } from './video-file.ts';
import { WireNames } from './wire-names.ts';

/** The input of an inference. */
export interface PreparedInference extends PreparedFiles {
  /** The input's name on the wire. */
  input: string;
  /** Its absolute path on this machine. The predictions will refer to it. */
  sourcePath: string;
}

/**
 * Checks a video, or labels with their images.
 * @throws SleapRtcError FILE_NOT_FOUND, LABELS_INVALID, LABELS_CORRUPT, VIDEO_INVALID, REFERS_OUTSIDE
 */
export async function prepareInference(path: string): Promise<PreparedInference> {
  await (extname(path).toLowerCase() === '.slp' ? checkTrainingLabels(path) : checkVideo(path));
  const input = new WireNames().forFile(path);
  const sourcePath = resolve(path);
  const files = [{ absolutePath: sourcePath, path: input }];
  await refuseOutside(files);
  return {
    name: input,
    input,
    sourcePath,
    files,
    remarks: [],
    close: () => Promise.resolve(),
  };
}
