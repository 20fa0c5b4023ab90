import type { RoomKey } from '../../protocol/room-key.ts';
import { Liveness } from '../async/liveness.ts';
import { within } from '../async/within.ts';
import type { EngineChannel, EngineConnection } from '../engines/engine.ts';
import type { ProofTranscript, Side } from '../proof/peer-proof.ts';
import { ProofExchange } from '../proof/proof-exchange.ts';
import { BYE_TIMEOUT_MS, HEARTBEAT_INTERVAL_MS, PEER_SILENCE_TIMEOUT_MS } from './limits.ts';

const LABEL = 'sleap-rtc-control';
const NEGOTIATED_ID = 100;
const BEAT = 'beat';
const BYE = 'bye';

/** What a control channel needs, and what it reports. */
interface ControlChannelOptions {
  roomKey: RoomKey;
  side: Side;
  transcript: () => Omit<ProofTranscript, 'nonces'>;
  /** Both sides have proven that they have the room's key. */
  onProven: () => void;
  /** One side has not proven that it has the room's key. The peer knows it. */
  onRefused: () => void;
  /** The peer closes the connection. */
  onBye: () => void;
  /** The connection is lost. `why` ends a sentence. */
  onLost: (why: string) => void;
}

/**
 * The channel that both sides create themselves (out-of-band negotiation, RFC 8832). It carries the proof, the heartbeats and the
 * goodbye.
 */
export class ControlChannel {
  readonly #options: ControlChannelOptions;
  readonly #channel: EngineChannel;
  readonly #proof: ProofExchange;
  readonly #bye = Promise.withResolvers<void>();
  #liveness: Liveness | undefined;

  constructor(connection: EngineConnection, options: ControlChannelOptions) {
    this.#options = options;
    this.#channel = connection.createChannel(LABEL, { negotiatedId: NEGOTIATED_ID });
    this.#channel.listen({
      open: () => this.#opened(),
      message: (message) => this.#receive(message),
      drained: () => undefined,
      closed: () => options.onLost('it was cut off'),
    });
    const { roomKey, side, transcript, onProven, onRefused } = options;
    const send = (message: string) => this.#channel.send(message);
    this.#proof = new ProofExchange({ roomKey, side, transcript, send, onProven, onRefused });
  }

  /** Whether the peer has proven that it has the room's key. */
  get peerIsProven(): boolean {
    return this.#proof.peerIsProven;
  }

  /** Refuses the peer, because it opened a channel before its proof. */
  refuse(): void {
    this.#proof.refuse();
  }

  /** The peer has sent something on any channel, so it lives. */
  peerLives(): void {
    this.#liveness?.received();
  }

  /** Says goodbye, and waits a moment for the peer's goodbye. */
  async sayBye(): Promise<void> {
    if (!this.#channel.isOpen) return;
    this.#channel.send(BYE);
    await within(this.#bye.promise, { timeoutMs: BYE_TIMEOUT_MS }).catch(() => undefined);
  }

  /** Ends the heartbeats and the proof. The connection closes the channel. */
  stop(): void {
    this.#liveness?.stop();
    this.#proof.stop();
    this.#bye.resolve();
  }

  #opened(): void {
    this.#liveness = new Liveness({
      intervalMs: HEARTBEAT_INTERVAL_MS,
      silenceTimeoutMs: PEER_SILENCE_TIMEOUT_MS,
      beat: () => this.#channel.send(BEAT),
      onSilent: () => this.#options.onLost('the peer no longer sends anything'),
    });
    this.#proof.start();
  }

  #receive(message: string | Uint8Array): void {
    this.peerLives();
    if (message === BYE) {
      this.#bye.resolve();
      this.#options.onBye();
    } else if (message !== BEAT) {
      this.#proof.receive(message);
    }
  }
}
