import type { Context } from '@temporalio/activity';

/**
 * For so long an attempt that Temporal has forgotten is kept alive for the one that follows it, in milliseconds: longer than a
 * workflow waits for its worker after Temporal was away (`workflows/gpu-session.ts`), with some room for busy machines.
 */
export const ORPHAN_GRACE_MS = 60_000;

/**
 * True where an attempt was cancelled only since Temporal does not know it any more: its server was away for longer than the
 * heartbeat timeout, and counts the attempt as lost. The work itself is still wanted; another attempt will ask for it.
 */
export function isOrphaned({ cancellationDetails, info }: Context): boolean {
  if (info.workflowExecution === undefined) return false;
  const { notFound = false, timedOut = false } = cancellationDetails ?? {};
  return notFound || timedOut;
}
