import type { Staging } from '../../../protocol/jobs/job.ts';

/** Returns a sentence on the staging of a job's data and on whether the researcher's computer is still needed; undefined if nothing is known yet. */
export function stagingWords(staging: Staging | undefined): string | undefined {
  switch (staging) {
    case 'waiting':
      return 'on the researcher’s computer only';
    case 'staging':
      return 'being copied to the room’s storage; until the copy is complete, the job may need the researcher’s computer again';
    case 'staged':
      return 'in the room’s storage; the job does not need the researcher’s computer';
    case 'failed':
      return 'not in the room’s storage, because the copy failed; if the worker is lost, the job waits for the researcher’s computer';
    case 'off':
      return 'on the worker only (--no-stage); if the worker is lost, the job waits for the researcher’s computer';
    case undefined:
      return undefined;
  }
}
