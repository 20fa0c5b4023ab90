import type { Context } from '@temporalio/activity';

/**
 * How long the work of an orphaned attempt goes on until the next attempt takes it over, in milliseconds. It is longer than a
 * workflow waits for its worker after Temporal was unavailable (`workflows/session/run-session.ts`), with a reserve for busy
 * machines.
 */
export const ORPHAN_GRACE_MS = 60_000;

/**
 * True if an attempt was cancelled only because Temporal no longer knows it: its server was unavailable for longer than the
 * heartbeat timeout, and counts the attempt as lost. The work itself is still needed; another attempt will take it over.
 */
export function isOrphaned({ cancellationDetails, info }: Context): boolean {
  if (info.workflowExecution === undefined) return false;
  const { notFound = false, timedOut = false } = cancellationDetails ?? {};
  return notFound || timedOut;
}
