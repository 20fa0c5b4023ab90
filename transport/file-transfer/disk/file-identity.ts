import type { BigIntStats } from 'node:fs';

/**
 * Age that a file's last change must have before a look at its times can tell a later change, in ms: above the 2 s ticks of FAT,
 * and room for a network disk's clock.
 */
const SETTLED_MS = 2_000;

/**
 * What stays the same exactly as long as a file's content does: size, times of the last change of content and of anything, in
 * nanoseconds, and inode. The second time cannot be put back, so that a content that was exchanged under an old time is noticed.
 */
export function fileIdentity({ size, mtimeNs, ctimeNs, ino }: BigIntStats): string {
  return [size, mtimeNs, ino, ctimeNs].join(' ');
}

/** Whether two identities are those of one file that got or lost another name in between, which changes its second time. */
export function differByLinksOnly(one: string, other: string): boolean {
  return withoutChangeTime(one) === withoutChangeTime(other);
}

function withoutChangeTime(identity: string): string {
  return identity.slice(0, identity.lastIndexOf(' '));
}

/**
 * Whether a file that was looked at since `sinceMs` (of `Date.now()`) and whose identity is still the same was not changed
 * meanwhile: one that had been written to just before may be written to again within the same tick of the disk's clock.
 */
export function isSettled({ mtimeMs }: BigIntStats, sinceMs: number): boolean {
  return Number(mtimeMs) <= sinceMs - SETTLED_MS;
}

/**
 * Time of change to give a file that was just written, in s: so far back that whatever changes it next shows, even within the
 * same tick of the disk's clock.
 */
export function settledTime(): number {
  return Math.floor((Date.now() - SETTLED_MS) / 1000) - 1;
}
