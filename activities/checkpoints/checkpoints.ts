import { z } from 'zod';
import { FileList } from '../../protocol/files.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { AttemptRecord } from '../runs/attempts.ts';
import { StoredTrainedModel } from '../runs/trained-model.ts';

/** An attempt as it is kept in S3. */
export const StoredAttempt = z.object({
  record: AttemptRecord,
  /** When its last checkpoint was written; ISO 8601. */
  saved_at: z.iso.datetime(),
  /** Of its run folder; each lies in S3 under its hash. */
  files: FileList,
});
export type StoredAttempt = z.infer<typeof StoredAttempt>;

/** All that another worker needs to go on with a run: its attempts, oldest first; the last one has `last.ckpt`, or it has finished. */
export const Snapshot = z.object({ epochs_done: z.int().min(1), attempts: z.array(StoredAttempt).min(1) });
export type Snapshot = z.infer<typeof Snapshot>;

/** `latest.json` of a run: written when all that it names is there. */
export const Checkpoints = z.object({
  /** Of the attempt that has the run: one of an earlier term may write no more, and so remove nothing that is named here. */
  term: z.int().default(0),
  /** Newest first, and the one before; none where the run has only been taken over. */
  snapshots: z.array(Snapshot).max(2),
  /** The finished model, whose files lie beside the checkpoints. */
  trained: StoredTrainedModel.optional(),
});
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

/** The key of a file, by its SHA-256. */
export function fileKey(place: RunPlace, sha256: string): string {
  return `${folder(place)}${sha256}`;
}

function folder({ room, jobId, runIndex }: RunPlace): string {
  return `${s3Layout.jobCheckpoints(room, jobId)}run-${runIndex}/`;
}
