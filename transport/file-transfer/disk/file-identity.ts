import type { BigIntStats } from 'node:fs';

/**
 * Age that a file's last change must have so that its times show any later change, in ms. It is above the 2 s resolution of FAT,
 * and leaves room for the clock of a network disk.
 */
const SETTLED_MS = 2_000;

/**
 * A string that stays the same exactly as long as the file's content does: size, time of the last change of content, inode, and
 * time of the last change of anything. Nobody can set the last one back, so content that is replaced under an old time is noticed.
 */
export function fileIdentity({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return [size, mtimeNs, ino, ctimeNs].join(' ');
}

/** Whether two identities belong to one file that got or lost a hard link in between. That changes only the last time. */
export function differByLinksOnly(one: string, other: string): boolean {
  return withoutChangeTime(one) === withoutChangeTime(other);
}

function withoutChangeTime(identity: string): string {
  return identity.slice(0, identity.lastIndexOf(' '));
}

/**
 * Whether a file whose identity is the same as at `sinceMs` (of `Date.now()`) has the same content too. If it had been written to
 * just before, it may have been written to again within the same tick of the disk's clock.
 */
export function isSettled({ mtimeMs }: BigIntStats, sinceMs: number): boolean {
  return Number(mtimeMs) <= sinceMs - SETTLED_MS;
}

/**
 * Time of change to give a file that was just written, in s. It is so far in the past that the next change shows, even within the
 * same tick of the disk's clock.
 */
export function settledTime(): number {
  return Math.floor((Date.now() - SETTLED_MS) / 1000) - 1;
}
