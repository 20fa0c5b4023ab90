import type { RoomApi } from '../api/api-client.ts';
import type { JobProgress } from '../output/job-progress.ts';

/** What collecting a job's results needs, besides the job. */
export interface OutcomeContext {
  api: RoomApi;
  output: string;
  progress: JobProgress;
  temporalUiUrl: string | null;
  /** When this command began, in ms since 1970. */
  started: number;
  signal: AbortSignal;
}
