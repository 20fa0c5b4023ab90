import { z } from 'zod';
import { FileList } from '../../protocol/files.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { AttemptRecord } from '../sleap-nn/attempts.ts';

/** An attempt as it is kept in S3. */
export const KeptAttempt = z.object({
  record: AttemptRecord,
  /** When its last checkpoint was written; ISO 8601. */
  saved_at: z.iso.datetime(),
  /** Of its run folder; each lies in S3 under its hash. */
  files: FileList,
});
export type KeptAttempt = z.infer<typeof KeptAttempt>;

/** All that another pod needs to go on with a run: its attempts, oldest first; the last one has `last.ckpt`, or it has finished. */
export const Snapshot = z.object({ epochs_done: z.int().min(1), attempts: z.array(KeptAttempt).min(1) });
export type Snapshot = z.infer<typeof Snapshot>;

/** `latest.json` of a run: written when all that it names is there. Newest first, and the one before. */
export const Checkpoints = z.object({ snapshots: z.array(Snapshot).min(1).max(2) });
export type Checkpoints = z.infer<typeof Checkpoints>;

/** Whose checkpoints. */
export interface RunPlace {
  bucket: string;
  room: string;
  jobId: string;
  runIndex: number;
}

export function latestKey(place: RunPlace): string {
  return `${folder(place)}latest.json`;
}

/** `trained.json` of a run: written when the files of its finished model are there. */
export function modelKey(place: RunPlace): string {
  return `${folder(place)}trained.json`;
}

/** The key of a file, by its SHA-256. */
export function fileKey(place: RunPlace, sha256: string): string {
  return `${folder(place)}${sha256}`;
}

/** The attempt that has kept its checkpoints last. */
export function newestAttempt({ snapshots }: Checkpoints): AttemptRecord | undefined {
  return snapshots[0]?.attempts.at(-1)?.record;
}

/**
 * Whether an attempt is later than another: of two pods that both believe to have the job, the later one has it. Attempts are
 * counted on from pod to pod, whatever their clocks say; the clocks tell only for two that went on from the same one.
 */
export function isLater(attempt: AttemptRecord, other: AttemptRecord): boolean {
  if (attempt.number !== other.number) return attempt.number > other.number;
  return attempt.started_at > other.started_at;
}

function folder({ room, jobId, runIndex }: RunPlace): string {
  return `${s3Layout.jobCheckpoints(room, jobId)}run-${runIndex}/`;
}
