import { SleapRtcError } from '../../protocol/errors.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { Checkpoints } from '../../protocol/stored/stored-objects.ts';
import { type Bucket, updateJson } from '../../storage/index.ts';

/** A run in the room bucket. */
export interface RunPlace {
  bucket: Bucket;
  room: string;
  jobId: string;
  runIndex: number;
}

/** A run, and the term of the attempt that writes its checkpoints. */
export interface CheckpointWriter {
  place: RunPlace;
  term: number;
  signal: AbortSignal;
}

const NONE: Checkpoints = { term: 0, snapshots: [] };

/** The key of a file among the run's checkpoints. */
export function fileKey({ room, jobId, runIndex }: RunPlace, sha256: string): string {
  return s3Layout.checkpointFile(room, jobId, runIndex, sha256);
}

/**
 * Takes a run over from attempts of earlier terms: workers that Temporal has given up on may still run, and reach S3. From now on they
 * upload nothing more, and remove nothing of what is returned.
 * @throws SleapRtcError WORKER_LOST if a later attempt has the run
 */
export async function claimRun(writer: CheckpointWriter): Promise<Checkpoints> {
  return (await updateLatest(writer, (before) => before)).after;
}

/**
 * Changes a run's `latest.json` in one conditional write. A damaged one counts as empty.
 * @throws SleapRtcError WORKER_LOST if a later attempt has the run
 */
export async function updateLatest(
  { place, term, signal }: CheckpointWriter,
  change: (before: Checkpoints) => Omit<Checkpoints, 'term'>,
): Promise<{ before: Checkpoints; after: Checkpoints }> {
  const { bucket, room, jobId, runIndex } = place;
  const key = s3Layout.latestCheckpoints(room, jobId, runIndex);
  const changed = (before = NONE): Checkpoints => {
    if (before.term > term) throw new SleapRtcError('WORKER_LOST', 'Another worker has taken this run over.');
    return { ...change(before), term };
  };
  const { before = NONE, after = NONE } = await updateJson(bucket, key, Checkpoints, changed, {
    signal,
    ifDamaged: 'missing',
  });
  return { before, after };
}
