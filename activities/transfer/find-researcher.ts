import type { PeerInfo } from '../../protocol/wire/signaling.ts';
import type { SignalingClient } from '../../transport/index.ts';

/** Time between two discoveries, in milliseconds, in case a notification was lost with a connection. */
const REDISCOVER_MS = 5_000;

/** Finds the researcher's CLI that serves a job: a client peer with the job's id. Returns undefined if it is offline. */
export async function findResearcher(
  signaling: SignalingClient,
  jobId: string,
  signal: AbortSignal,
): Promise<PeerInfo | undefined> {
  const peers = await signaling.discoverPeers({ role: 'client', properties: { job_id: { $eq: jobId } } }, { signal });
  return peers.at(-1);
}

/**
 * Waits until the researcher's CLI is online.
 * @param onAbsent called once if the CLI is offline at first
 * @throws the signal's reason if it is aborted
 */
export async function waitForResearcher(
  signaling: SignalingClient,
  jobId: string,
  signal: AbortSignal,
  onAbsent: () => void,
): Promise<PeerInfo> {
  let isReported = false;
  for (;;) {
    signal.throwIfAborted();
    const changed = nextPeerChange(signaling, signal);
    try {
      const peer = await findResearcher(signaling, jobId, signal);
      if (peer !== undefined) return peer;
      if (!isReported) onAbsent();
      isReported = true;
      await changed.promise;
    } finally {
      changed.stop();
    }
  }
}

/** Resolves when a peer joins or changes, the connection is open again, some seconds have passed, or the signal is aborted. */
function nextPeerChange(signaling: SignalingClient, signal: AbortSignal): { promise: Promise<void>; stop: () => void } {
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
