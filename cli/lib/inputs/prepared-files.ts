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
