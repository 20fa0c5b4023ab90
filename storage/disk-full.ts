import { statfs } from 'node:fs/promises';
import { SleapRtcError } from '../protocol/errors.ts';

/** ENOSPC, and EDQUOT where a quota stands for the disk. */
function isDiskFull(error: unknown): boolean {
  if (error instanceof SleapRtcError) return error.code === 'DISK_FULL';
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** Turns a write that failed for want of disk space into DISK_FULL; everything else is left as it is. */
export function diskFullOr(error: unknown): unknown {
  if (error instanceof SleapRtcError || !isDiskFull(error)) return error;
  return new SleapRtcError('DISK_FULL', 'The worker’s disk is full.', { cause: error });
}

/** Sizes are in the sentence already, e.g. how much was needed. */
const WITH_SIZES = /\d [kMG]B\b/;

/** The same, for a folder's disk, with what is left on it and its size, so that an admin need not look. */
export async function diskFullOrWithSizes(error: unknown, folder: string): Promise<unknown> {
  if (!isDiskFull(error) || (error instanceof SleapRtcError && WITH_SIZES.test(error.message))) return error;
  const disk = await statfs(folder).catch(() => undefined);
  if (disk === undefined) return diskFullOr(error);
  const [left, size] = [disk.bavail * disk.bsize, disk.blocks * disk.bsize].map(gigabytes);
  return new SleapRtcError('DISK_FULL', `The worker’s disk is full: ${left} of ${size} are left.`, { cause: error });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
