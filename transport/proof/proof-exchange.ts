import type { RoomKey } from '../../protocol/room-key.ts';
import { isSameProof, PROOF_VERSION, type ProofTranscript, proofNonce, proofOf, type Side } from './peer-proof.ts';

/**
 * Time limit for a connected peer to prove that it has the room's key, in ms: enough for three messages and a few lost packets. It
 * is longer than a peer may be silent, so that a peer that has died counts as lost, not as one that cannot prove itself.
 */
export const PROOF_TIMEOUT_MS = 5_000;

const REFUSED = 'refused';
const PROVEN = 'proven';

/** How one side takes part in an exchange of proofs. */
export interface ProofExchangeOptions {
  roomKey: RoomKey;
  side: Side;
  /** What this side knows of the connection. Called when there is a connection. */
  transcript: () => Omit<ProofTranscript, 'nonces'>;
  send: (message: string) => void;
  /** Both sides have proven that they have the key, and know it. */
  onProven: () => void;
  /** One side has not proven that it has the key, and both know it. */
  onRefused: () => void;
}

/**
 * The exchange by which two peers prove to each other that they have the room's key and that nobody stands between them, as in
 * PROTOCOL.md. It fails if a message is out of order, or after `PROOF_TIMEOUT_MS`. The caller stops it.
 */
export class ProofExchange {
  readonly #options: ProofExchangeOptions;
  readonly #nonce = proofNonce();
  #peerNonce: string | undefined;
  #peerIsProven = false;
  #weAreProven = false;
  #isOver = false;
  /** Messages that arrived before `start`. Undefined after it. */
  #early: string[] | undefined = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProofExchangeOptions) {
    this.#options = options;
  }

  /** Whether the peer's proof was right. */
  get peerIsProven(): boolean {
    return this.#peerIsProven;
  }

  /** Begins the exchange. Call it when messages can be sent. */
  start(): void {
    if (this.#isOver) return;
    this.#timer = setTimeout(() => this.refuse(), PROOF_TIMEOUT_MS);
    this.#options.send(`nonce ${PROOF_VERSION} ${this.#nonce}`);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.receive(message);
  }

  /** Takes a message of the peer. After the end of the exchange it is ignored. */
  receive(message: string | Uint8Array): void {
    if (this.#isOver) return;
    const isRight = this.#early === undefined ? this.#take(message) : this.#queue(this.#early, message);
    if (!isRight) this.refuse({ tellPeer: message !== REFUSED });
  }

  /** Ends the exchange without trust. Tells the peer, unless the peer has refused us. */
  refuse({ tellPeer = true } = {}): void {
    if (this.#isOver) return;
    this.stop();
    this.#peerIsProven = false;
    if (tellPeer && this.#early === undefined) this.#options.send(REFUSED);
    this.#options.onRefused();
  }

  /** Ends the exchange and reports nothing. */
  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #queue(early: string[], message: string | Uint8Array): boolean {
    // Before our nonce the peer can send only its own nonce, and `refused`.
    return typeof message === 'string' && early.push(message) <= 2;
  }

  /** Returns false if the message is wrong or out of order. */
  #take(message: string | Uint8Array): boolean {
    if (typeof message !== 'string') return false;
    const [kind, ...values] = message.split(' ');
    if (kind === 'nonce') return this.#takeNonce(values);
    if (kind === 'proof') return this.#takeProof(values);
    return message === PROVEN && this.#takeProven();
  }

  #takeNonce([version, nonce]: string[]): boolean {
    if (this.#peerNonce !== undefined || version !== String(PROOF_VERSION)) return false;
    if (nonce === undefined || !/^[A-Za-z0-9_-]{43}$/.test(nonce)) return false;
    this.#peerNonce = nonce;
    this.#options.send(`proof ${this.#proofOf(this.#options.side, nonce)}`);
    return true;
  }

  #takeProof([proof]: string[]): boolean {
    const peer = this.#options.side === 'offerer' ? 'answerer' : 'offerer';
    if (this.#peerNonce === undefined || this.#peerIsProven || proof === undefined) return false;
    if (!isSameProof(this.#proofOf(peer, this.#peerNonce), proof)) return false;
    this.#peerIsProven = true;
    this.#options.send(PROVEN);
    this.#endIfProven();
    return true;
  }

  #takeProven(): boolean {
    // The peer cannot have checked our proof before we had its nonce.
    if (this.#peerNonce === undefined || this.#weAreProven) return false;
    this.#weAreProven = true;
    this.#endIfProven();
    return true;
  }

  #endIfProven(): void {
    if (!this.#peerIsProven || !this.#weAreProven) return;
    this.stop();
    this.#options.onProven();
  }

  #proofOf(sender: Side, peerNonce: string): string {
    const { roomKey, side, transcript } = this.#options;
    const nonces =
      side === 'offerer'
        ? { offerer: this.#nonce, answerer: peerNonce }
        : { offerer: peerNonce, answerer: this.#nonce };
    return proofOf(roomKey, sender, { ...transcript(), nonces });
  }
}
