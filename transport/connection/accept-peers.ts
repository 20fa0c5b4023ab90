import { SleapRtcError } from '../../protocol/errors.ts';
import type { ConnectionPurpose } from '../../protocol/signaling.ts';
import { within } from '../async/abort.ts';
import type { Engine } from '../engines/engine.ts';
import type { SignalingClient, SignalingEvents } from '../signaling/signaling-client.ts';
import type { PeerConnection } from './connection.ts';
import { ANSWER_ATTEMPT_MS, MAX_ACCEPTED_PEERS } from './limits.ts';
import { NegotiatedConnection } from './peer-connection.ts';

/** Which offers to answer, and how. */
export interface AcceptPeersOptions {
  accept?: (offer: { sender: string; purpose: ConnectionPurpose }) => boolean;
  /** Is told with PEER_NOT_PROVEN of each peer that was sent away since one side has not proven that it has the room's key. */
  onNotProven?: (error: SleapRtcError) => void;
  /** The WebRTC stack. Default: what the signaling client’s `webRtc` chooses. */
  engine?: Engine;
}

/**
 * Answers offers of peers of the room until disposed. Each connection is given to `handler` once it works and is closed
 * when the handler has ended, whose errors are logged. Disposing closes the connections and waits for their handlers.
 * @throws SleapRtcError PEER_NOT_PROVEN where this side has no room key
 */
export function acceptPeers(
  signaling: SignalingClient,
  handler: (connection: PeerConnection) => Promise<void>,
  options: AcceptPeersOptions = {},
): AsyncDisposable {
  const { accept = () => true, onNotProven } = options;
  const { roomKey } = signaling;
  const connections = new Map<string, { connection: NegotiatedConnection; served: Promise<void> }>();
  /** Peers whose last connection failed before it worked. */
  const failed = new Set<string>();

  async function serve(offer: SignalingEvents['offer'], connection: NegotiatedConnection): Promise<void> {
    const { sender, connection_id } = offer;
    let works = false;
    try {
      const sdp = await connection.answer(offer.sdp);
      const sent = signaling.relay({ type: 'answer', target: sender, connection_id, sdp });
      await within(Promise.all([sent, connection.ready]), { timeoutMs: ANSWER_ATTEMPT_MS });
      works = true;
      signaling.logger?.info({ peer: sender, job: offer.purpose.job_id, route: connection.route }, 'connected');
      failed.delete(sender);
      await handler(connection);
    } catch (error) {
      if (!works) failed.add(sender);
      signaling.logger?.warn(
        { peer: sender, job: offer.purpose.job_id, error: String(error) },
        'peer connection failed',
      );
      if (error instanceof SleapRtcError && error.code === 'PEER_NOT_PROVEN') onNotProven?.(error);
    } finally {
      await connection.close();
    }
  }

  function answer(offer: SignalingEvents['offer']): void {
    const { sender, connection_id, purpose } = offer;
    const key = `${sender} ${connection_id}`;
    // A second offer of the same id is a repetition; another one with a new certificate must not replace the first.
    if (connections.has(key) || connections.size >= MAX_ACCEPTED_PEERS || !accept({ sender, purpose })) return;
    const engine =
      options.engine ?? signaling.engine({ failedBefore: failed.has(sender), tolerant: purpose.stripe === 'tolerant' });
    const connection = new NegotiatedConnection(engine, {
      localPeerId: signaling.peerId,
      remotePeerId: sender,
      side: 'answerer',
      connectionId: connection_id,
      roomKey,
      purpose,
      iceServers: signaling.iceServers,
      iceTransportPolicy: signaling.iceTransportPolicy,
      onCandidate: (candidate) => {
        signaling.relay({ type: 'candidate', target: sender, connection_id, candidate }).catch(() => undefined);
      },
    });
    const served = serve(offer, connection).finally(() => connections.delete(key));
    connections.set(key, { connection, served });
  }

  const stopListening = [
    signaling.on('offer', answer),
    signaling.on('candidate', ({ sender, connection_id, candidate }) => {
      connections
        .get(`${sender} ${connection_id}`)
        ?.connection.addCandidate(candidate)
        .catch(() => undefined);
    }),
  ];
  return {
    async [Symbol.asyncDispose]() {
      for (const stop of stopListening) stop();
      await Promise.all(
        [...connections.values()].map(async ({ connection, served }) => {
          await connection.close();
          await served;
        }),
      );
    },
  };
}
