import type { RoomKey } from '../../protocol/room-key.ts';
import { isSameProof, PROOF_VERSION, type ProofTranscript, proofNonce, proofOf, type Side } from './peer-proof.ts';

/**
 * Time for a connected peer to prove that it has the room's key, in ms: three messages, and some losses. Above
 * `PEER_SILENCE_MS`, so that a peer that has died counts as gone, and only one that lives as one that cannot prove itself.
 */
export const PROOF_MS = 5_000;

const REFUSED = 'refused';
const PROVEN = 'proven';

/** How one side takes part in an exchange of proofs. */
export interface ProofExchangeOptions {
  roomKey: RoomKey;
  side: Side;
  /** What is known of the connection, once there is one. */
  transcript: () => Omit<ProofTranscript, 'nonces'>;
  send: (message: string) => void;
  /** Both sides have proven themselves, and know it. */
  onProven: () => void;
  /** The peer has not proven itself, or does not believe us. The peer has been told. */
  onRefused: () => void;
}

/**
 * The exchange by which two peers prove to each other that they have the room's key and that nobody stands between them,
 * as in PROTOCOL.md. Anything out of order, and silence for `PROOF_MS`, counts as a failure. Whoever makes it disposes it.
 */
export class ProofExchange implements Disposable {
  readonly #options: ProofExchangeOptions;
  readonly #nonce = proofNonce();
  #peerNonce: string | undefined;
  #peerIsProven = false;
  #isBelieved = false;
  #isOver = false;
  /** What came before this side could answer. */
  #early: string[] | undefined = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProofExchangeOptions) {
    this.#options = options;
  }

  /** True once the peer's proof was found right. */
  get peerIsProven(): boolean {
    return this.#peerIsProven;
  }

  /** Begins; to be called when messages can be sent. */
  start(): void {
    if (this.#isOver) return;
    this.#timer = setTimeout(() => this.refuse(), PROOF_MS);
    this.#options.send(`nonce ${PROOF_VERSION} ${this.#nonce}`);
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const message of early) this.hear(message);
  }

  /** Takes a message of the peer's. After the end of the exchange there is nothing to hear. */
  hear(message: string | Uint8Array): void {
    if (this.#isOver) return;
    const isRight = this.#early === undefined ? this.#take(message) : this.#keep(this.#early, message);
    if (!isRight) this.refuse(message !== REFUSED);
  }

  /** Ends the exchange without trust, and tells the peer unless it said so itself. */
  refuse(tell = true): void {
    if (this.#isOver) return;
    this[Symbol.dispose]();
    this.#peerIsProven = false;
    if (tell && this.#early === undefined) this.#options.send(REFUSED);
    this.#options.onRefused();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #keep(early: string[], message: string | Uint8Array): boolean {
    // A peer that is ahead of us can have said only this much.
    return typeof message === 'string' && early.push(message) <= 2;
  }

  /** @returns false for what is wrong or out of order */
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
    this.#settle();
    return true;
  }

  #takeProven(): boolean {
    // It cannot have believed us before we had its nonce and answered it.
    if (this.#peerNonce === undefined || this.#isBelieved) return false;
    this.#isBelieved = true;
    this.#settle();
    return true;
  }

  #settle(): void {
    if (!this.#peerIsProven || !this.#isBelieved) return;
    this[Symbol.dispose]();
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
