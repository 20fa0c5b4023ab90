import { SleapRtcError } from '../../protocol/errors.ts';
import type { RoomKey } from '../../protocol/room-key.ts';
import type { ConnectionPurpose } from '../../protocol/wire/signaling.ts';
import { within } from '../async/within.ts';
import type { Engine } from '../engines/engine.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import type { SignalingEvents } from '../signaling/signaling-events.ts';
import type { PeerConnection } from './connection.ts';
import { ANSWER_TIMEOUT_MS, MAX_ACCEPTED_OF_ONE_PEER, MAX_ACCEPTED_PEERS } from './limits.ts';
import { NegotiatedConnection } from './peer-connection.ts';

/** Which offers to answer, and how. */
export interface AcceptPeersOptions {
  /** Default: all offers are answered. */
  accept?: (offer: { sender: string; purpose: ConnectionPurpose }) => boolean;
  /** Called with PEER_NOT_PROVEN for each peer that was refused because one side did not prove that it has the room's key. */
  onNotProven?: (error: SleapRtcError) => void;
  /** The WebRTC stack. Default: the choice of the signaling client. */
  engine?: Engine;
}

type Offer = SignalingEvents['offer'];
type Handler = (connection: PeerConnection) => Promise<void>;

/**
 * Answers offers of peers of the room until it is closed. Each connection is passed to `handler` once it is made, and is closed
 * when the handler has ended. A handler's error is logged. `close` closes the connections and waits for their handlers.
 * @throws SleapRtcError PEER_NOT_PROVEN if this side has no room key
 */
export function acceptPeers(
  signaling: SignalingClient,
  handler: Handler,
  options: AcceptPeersOptions = {},
): { close(): Promise<void> } {
  return new PeerAcceptor(signaling, handler, options);
}

class PeerAcceptor {
  readonly #signaling: SignalingClient;
  readonly #handler: Handler;
  readonly #options: AcceptPeersOptions;
  readonly #roomKey: RoomKey;
  readonly #connections = new Map<string, { connection: NegotiatedConnection; served: Promise<void> }>();
  /** Peers whose last connection failed before it was made. */
  readonly #failed = new Set<string>();
  readonly #stopListening: (() => void)[];

  constructor(signaling: SignalingClient, handler: Handler, options: AcceptPeersOptions) {
    this.#signaling = signaling;
    this.#handler = handler;
    this.#options = options;
    this.#roomKey = signaling.roomKey;
    this.#stopListening = [
      signaling.on('offer', (offer) => this.#answer(offer)),
      signaling.on('candidate', (message) => {
        const { connection } = this.#connections.get(keyOf(message)) ?? {};
        connection?.addCandidate(message.candidate).catch(() => undefined);
      }),
    ];
  }

  async close(): Promise<void> {
    for (const stop of this.#stopListening) stop();
    await Promise.all(
      [...this.#connections.values()].map(async ({ connection, served }) => {
        await connection.close();
        await served;
      }),
    );
  }

  #answer(offer: Offer): void {
    const { sender, purpose } = offer;
    const key = keyOf(offer);
    // A second offer with the same id is a repetition. If it had another certificate, it must not replace the first.
    if (this.#connections.has(key) || this.#connections.size >= MAX_ACCEPTED_PEERS) return;
    // A stranger must not use up the places of the others.
    const ofSender = [...this.#connections.values()].filter(({ connection }) => connection.remotePeerId === sender);
    if (ofSender.length >= MAX_ACCEPTED_OF_ONE_PEER) return;
    if (this.#options.accept?.({ sender, purpose }) === false) return;
    const connection = this.#negotiate(offer);
    const served = this.#serve(offer, connection).finally(() => this.#connections.delete(key));
    this.#connections.set(key, { connection, served });
  }

  #negotiate({ sender, connection_id, purpose }: Offer): NegotiatedConnection {
    const signaling = this.#signaling;
    const engine = this.#options.engine ?? signaling.engine({ failedBefore: this.#failed.has(sender) });
    return new NegotiatedConnection(engine, {
      localPeerId: signaling.peerId,
      remotePeerId: sender,
      side: 'answerer',
      connectionId: connection_id,
      roomKey: this.#roomKey,
      purpose,
      iceServers: signaling.iceServers,
      iceTransportPolicy: signaling.iceTransportPolicy,
      onCandidate: (candidate) => {
        signaling.relay({ type: 'candidate', target: sender, connection_id, candidate }).catch(() => undefined);
      },
    });
  }

  async #serve({ sender, connection_id, purpose, sdp }: Offer, connection: NegotiatedConnection): Promise<void> {
    const { logger } = this.#signaling;
    const what = { peer: sender, job: purpose.job_id };
    let isConnected = false;
    try {
      const answer = await connection.answer(sdp);
      const sent = this.#signaling.relay({ type: 'answer', target: sender, connection_id, sdp: answer });
      await within(Promise.all([sent, connection.ready]), { timeoutMs: ANSWER_TIMEOUT_MS });
      isConnected = true;
      logger?.info({ ...what, route: connection.route }, 'connected');
      this.#failed.delete(sender);
      await this.#handler(connection);
    } catch (error) {
      if (!isConnected) this.#failed.add(sender);
      logger?.warn({ ...what, error: String(error) }, 'peer connection failed');
      if (error instanceof SleapRtcError && error.code === 'PEER_NOT_PROVEN') this.#options.onNotProven?.(error);
    } finally {
      await connection.close();
    }
  }
}

function keyOf({ sender, connection_id }: { sender: string; connection_id: string }): string {
  return `${sender} ${connection_id}`;
}
