/** A job's files, all of which have been looked at. Disposing removes what was unpacked for them. */
export interface PreparedFiles extends AsyncDisposable {
  /** What the job is called. */
  name: string;
  /** What will be sent: where it lies here, and its name on the wire. */
  files: { absolutePath: string; path: string }[];
  /** What the researcher should know, one sentence each. */
  remarks: string[];
}
