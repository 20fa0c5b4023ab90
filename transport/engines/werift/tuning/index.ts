import { type RTCPeerConnection, StunProtocol } from 'werift';
import { TunedAssociation } from './association.ts';
import { discoverPathMtu } from './path-mtu.ts';
import { takeRecordPath } from './record-path.ts';
import { systemClock } from './sctp/clock.ts';
import { classesOf, sourceHash, TUNED_SOURCES, weriftIsAsTuned } from './shape.ts';
import type { Association } from './werift-parts.ts';

/** A connection of werift's whose data transfer was taken over. */
export interface TunedConnection {
  /**
   * To be called when the connection stands.
   * @param options.peerIsTuned the peer is on this stack too
   * @param options.limitBytes largest IP packet that the peer reads and the user allows
   */
  connected(options: { peerIsTuned: boolean; limitBytes: number }): void;
  stop(): void;
}

/**
 * Takes over the data transfer of a connection, after its first channel was made and before it is negotiated. Undefined, and
 * all is left as it was, where werift isn't the version this was made for.
 */
export function tuneConnection(peer: RTCPeerConnection, isAsTuned = weriftIsAsTuned()): TunedConnection | undefined {
  const sctp = peer.sctpTransport?.sctp;
  if (!isAsTuned || sctp === undefined) return undefined;
  if (sourceHash(classesOf(sctp)) !== TUNED_SOURCES.association) return undefined;
  const association = new TunedAssociation(sctp as unknown as Association);
  return {
    connected({ peerIsTuned, limitBytes }) {
      const [iceTransport] = peer.iceTransports;
      const [dtlsTransport] = peer.dtlsTransports;
      if (peer.sctpTransport?.sctp !== sctp || iceTransport === undefined || dtlsTransport === undefined) return;
      if (peerIsTuned) association.peerIsTuned();
      const cipher: unknown = dtlsTransport.dtls?.cipher.cipher;
      if (typeof cipher === 'object' && cipher !== null && sourceHash(classesOf(cipher)) === TUNED_SOURCES.cipher) {
        const transmit = takeRecordPath(dtlsTransport, iceTransport);
        if (transmit !== undefined) association.transmitPacket = transmit;
      }
      const pair = iceTransport.connection.nominated;
      if (!(pair?.protocol instanceof StunProtocol)) return;
      const localHost = pair.protocol.localCandidate?.host ?? '';
      const ends = { localHost, remoteHost: pair.remoteCandidate.host, limitBytes };
      // Not at once: others are still being told that the connection stands.
      setImmediate(() => void discoverPathMtu(association, ends, systemClock));
    },
    stop: () => association.stop(),
  };
}
