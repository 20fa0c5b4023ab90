import { basename } from 'node:path';
import { refuseOutsideReferences } from '../../../labels/index.ts';

/** A job's files, all of which have been checked. */
export interface PreparedFiles {
  /** The job's name. */
  name: string;
  /** Each file's path on this machine and its name on the wire. */
  files: { absolutePath: string; path: string }[];
  /** What the researcher should know, one sentence each. */
  remarks: string[];
  /** Removes the files that were unpacked for the job. */
  close(): Promise<void>;
}

/**
 * Refuses files of which a part is in another file, before anything is sent.
 * @throws SleapRtcError REFERS_OUTSIDE, LABELS_CORRUPT
 */
export function refuseOutside(files: PreparedFiles['files']): Promise<void> {
  return refuseOutsideReferences(
    files.map(({ absolutePath }) => ({ path: absolutePath, name: basename(absolutePath) })),
  );
}
