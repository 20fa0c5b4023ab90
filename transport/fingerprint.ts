import { SleapRtcError } from '../protocol/errors.ts';

/**
 * Remembers the certificate fingerprint of a peer's first description and refuses any other one, since a WebRTC stack may
 * accept whichever it has ever been shown.
 */
export class FingerprintPin {
  #pinned: string | undefined;

  /**
   * Checks a description before it is given to the WebRTC stack.
   * @throws SleapRtcError PEER_UNREACHABLE where it has no fingerprint, several, or another than the first one had
   */
  check(sdp: string): void {
    const found = new Set(
      [...sdp.matchAll(/^a=fingerprint:(\S+) (\S+)\s*$/gim)].map(([, hash, hex]) => `${hash} ${hex}`.toLowerCase()),
    );
    const [fingerprint] = found;
    if (fingerprint === undefined || found.size > 1) {
      throw new SleapRtcError(
        'PEER_UNREACHABLE',
        `The peer’s description has ${found.size} fingerprints instead of one.`,
      );
    }
    this.#pinned ??= fingerprint;
    if (this.#pinned !== fingerprint) {
      throw new SleapRtcError('PEER_UNREACHABLE', 'The peer’s certificate changed while connecting.');
    }
  }
}
