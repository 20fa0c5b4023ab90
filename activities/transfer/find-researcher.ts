import type { JobInput } from '../../protocol/jobs/job.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';
import type { SignalingClient } from '../../transport/index.ts';

/** Time between two discoveries, in milliseconds, in case a notification was lost with a connection. */
const REDISCOVER_MS = 5_000;

/**
 * The peers that may be the researcher's CLI: client peers that name the job. Any member of the room can claim that. The server
 * vouches for `user_id` only, so those of the job's own user come first, the newest of them before the others; strangers follow in
 * the order in which they came.
 */
export async function findCandidates(
  signaling: SignalingClient,
  { spec, context }: JobInput,
  signal: AbortSignal,
): Promise<{ own: PeerInfo[]; others: PeerInfo[] }> {
  const peers = await claimants(signaling, spec.job_id, signal);
  const isOwn = (peer: PeerInfo) => peer.user_id === context.user_id;
  return { own: peers.filter(isOwn).reverse(), others: peers.filter((peer) => !isOwn(peer)) };
}

/**
 * Returns whether a computer is in the room that says it has a job's data. It has proved nothing yet: that happens when it is asked
 * for the data.
 */
export async function isResearcherOnline(
  signaling: SignalingClient,
  jobId: string,
  signal: AbortSignal,
): Promise<boolean> {
  return (await claimants(signaling, jobId, signal)).length > 0;
}

function claimants(signaling: SignalingClient, jobId: string, signal: AbortSignal): Promise<PeerInfo[]> {
  return signaling.discoverPeers({ role: 'client', properties: { job_id: { $eq: jobId } } }, { signal });
}

/** Resolves when a peer joins or changes, the connection is open again, some seconds have passed, or the signal is aborted. */
export function nextPeerChange(
  signaling: SignalingClient,
  signal: AbortSignal,
): { promise: Promise<void>; stop: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, REDISCOVER_MS);
  const offs = [
    signaling.on('peer_joined', () => resolve()),
    signaling.on('peer_updated', () => resolve()),
    signaling.on('connected', () => resolve()),
  ];
  const onAbort = () => resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  const stop = () => {
    clearTimeout(timer);
    for (const off of offs) off();
    signal.removeEventListener('abort', onAbort);
  };
  return { promise, stop };
}
