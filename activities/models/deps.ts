import type { S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import type { WorkerProgress } from '../../protocol/job-view.ts';
import type { ModelEntry } from '../../protocol/manifest.ts';

/** What the activities of this folder are given. */
export interface ModelDeps {
  s3: S3Client;
  /** The room bucket. */
  bucket: string;
  /** The worker's folder; models are cached in `models/` below it. */
  workDir: string;
  /** This worker's name. */
  worker: string;
  /** Finds a model of the room by its id or alias. Returns undefined if the room has no such model. */
  findModel: (reference: string, signal: AbortSignal) => Promise<ModelEntry | undefined>;
  publishProgress: (progress: WorkerProgress) => void;
  logger: Logger;
  /** How long a model stays this job's while nothing is heard of its upload, in milliseconds; default ten minutes. */
  claimLifeMs?: number;
}
