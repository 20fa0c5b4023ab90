import type { Context } from '@temporalio/activity';

/**
 * How long the work of an orphaned attempt goes on for the attempt that follows, in milliseconds: longer than a workflow waits for its
 * worker after Temporal was unavailable (`workflows/gpu-session.ts`), with some reserve for busy machines.
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
