import type { SignalingClient } from '../../transport/index.ts';

/**
 * Returns whether a computer is in the room that says it has a job's data. It has proved nothing yet: that happens when it is asked
 * for the data.
 */
export async function isResearcherOnline(
  signaling: SignalingClient,
  jobId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const peers = await signaling.discoverPeers({ role: 'client', properties: { job_id: { $eq: jobId } } }, { signal });
  return peers.length > 0;
}
