import { statfs } from 'node:fs/promises';
import { SleapRtcError } from '../protocol/errors.ts';

/** ENOSPC, or EDQUOT if a quota limits the disk. */
function isDiskFull(error: unknown): boolean {
  if (error instanceof SleapRtcError) return error.code === 'DISK_FULL';
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
}

/** Turns a write that failed because the disk is full into DISK_FULL; returns anything else as it is. */
export function diskFullOr(error: unknown): unknown {
  if (error instanceof SleapRtcError || !isDiskFull(error)) return error;
  return new SleapRtcError('DISK_FULL', 'The worker’s disk is full.', { cause: error });
}

/** The message has sizes already, such as how much was needed. */
const WITH_SIZES = /\d [kMG]B\b/;

/** The same, with the size and the free space of the folder's disk, so that an admin need not look them up. */
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
