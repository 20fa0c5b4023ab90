import type { Staging } from '../../../protocol/job.ts';

/** What each state of a job's data means for the researcher's machine; undefined where there is nothing to say yet. */
export function stagingWords(staging: Staging | undefined): string | undefined {
  switch (staging) {
    case 'waiting':
      return 'still on the researcher’s computer only';
    case 'staging':
      return 'being copied to the room’s storage; until that is done the job may need the researcher’s computer again';
    case 'staged':
      return 'in the room’s storage; the job does not need the researcher’s computer';
    case 'failed':
      return 'not in the room’s storage, which did not take it; if the worker is lost, the job waits for the researcher’s computer';
    case 'off':
      return 'on the worker only (--no-stage); if that is lost, the job waits for the researcher’s computer';
    case undefined:
      return undefined;
  }
}
