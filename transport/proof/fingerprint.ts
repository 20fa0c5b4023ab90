import { SleapRtcError } from '../../protocol/errors.ts';

/** A line of RFC 8122, section 5, with the one hash function that every WebRTC stack offers. */
const FINGERPRINT_LINE = /^a=fingerprint:(sha-256 (?:[0-9a-f]{2}:){31}[0-9a-f]{2})$/i;

/**
 * Remembers the certificate fingerprint of a peer's first description and refuses any other one, since a WebRTC stack may accept
 * every fingerprint that it has got.
 */
export class FingerprintPin {
  #pinned: string | undefined;

  /** The fingerprint of every description, e.g. `sha-256 0a:1b:…`. Available after the first check. */
  get pinned(): string {
    if (this.#pinned === undefined) throw new SleapRtcError('INTERNAL', 'There was no description yet.');
    return this.#pinned;
  }

  /**
   * Checks a description before the WebRTC stack gets it.
   * @throws SleapRtcError PEER_UNREACHABLE if it has no fingerprint, several, one in a form that another parser may read
   * differently, or another one than the first description
   */
  check(sdp: string): void {
    const lines = sdp.split(/\r?\n/).filter((line) => /fingerprint/i.test(line));
    const found = new Set(lines.map((line) => FINGERPRINT_LINE.exec(line)?.[1]?.toLowerCase()));
    const [fingerprint] = found;
    if (fingerprint === undefined || found.size > 1) {
      throw new SleapRtcError(
        'PEER_UNREACHABLE',
        'The peer’s description does not have exactly one SHA-256 fingerprint.',
      );
    }
    this.#pinned ??= fingerprint;
    if (this.#pinned !== fingerprint) {
      throw new SleapRtcError('PEER_UNREACHABLE', 'The peer’s certificate changed while connecting.');
    }
  }
}
