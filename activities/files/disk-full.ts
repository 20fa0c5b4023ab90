import { SleapRtcError } from '../../protocol/errors.ts';

/** ENOSPC, and EDQUOT where a quota stands for the disk. */
function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** Turns a write that failed for want of disk space into DISK_FULL; everything else is left as it is. */
export function diskFullOr(error: unknown): unknown {
  return isDiskFull(error) ? new SleapRtcError('DISK_FULL', 'The worker’s disk is full.', { cause: error }) : error;
}
