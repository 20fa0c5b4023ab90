import { SleapRtcError } from '../../../protocol/errors.ts';
import type { PeerPayload } from '../../../protocol/wire/peer-messages.ts';
import type { SignalingClient } from '../../../transport/index.ts';

/** Longest wait for the worker's answer, in ms. A running worker answers in milliseconds. */
const ANSWER_TIMEOUT_MS = 5_000;

type DrainResponse = Extract<PeerPayload, { type: 'drain_response' }>;

/**
 * Asks a worker to drain, or to take jobs again, and waits for its answer.
 * @throws SleapRtcError NO_WORKER if it is not in the room, PEER_GONE if it does not answer
 */
export async function askToDrain(
  signaling: SignalingClient,
  name: string,
  { drain, exit }: { drain: boolean; exit: boolean },
): Promise<DrainResponse> {
  const workers = await signaling.discoverPeers({ role: 'worker' });
  if (!workers.some(({ peer_id }) => peer_id === name)) {
    throw new SleapRtcError('NO_WORKER', `There is no worker ${name} in the room.`, {
      remedy: 'List the workers with `sleap-rtc workers list`.',
    });
  }
  const answer = Promise.withResolvers<DrainResponse>();
  const off = signaling.on('peer_message', ({ from_peer_id, payload }) => {
    if (from_peer_id === name && payload.type === 'drain_response') answer.resolve(payload);
  });
  const silent = new SleapRtcError('PEER_GONE', `The worker ${name} does not answer.`, {
    remedy: 'Look at the worker’s log.',
  });
  const timer = setTimeout(() => answer.reject(silent), ANSWER_TIMEOUT_MS);
  try {
    await signaling.sendPeerMessage(name, { type: 'drain_request', drain, exit });
    return await answer.promise;
  } finally {
    clearTimeout(timer);
    off();
  }
}
