import { type RTCPeerConnection, StunProtocol } from 'werift';
import { TunedAssociation } from './association.ts';
import { discoverPathMtu } from './path-mtu.ts';
import { takeRecordPath } from './record-path.ts';
import { systemClock } from './sctp/clock.ts';
import { classesOf, sourceHash, TUNED_SOURCES, weriftIsAsTuned } from './shape.ts';
import type { Association } from './werift-parts.ts';

/** A werift connection whose data transfer was replaced. */
export interface TunedConnection {
  /**
   * Call it when the connection is established.
   * @param options.peerIsTuned the peer uses this tuned stack too
   * @param options.limitBytes largest IP packet that the peer accepts and the user allows
   */
  connected(options: { peerIsTuned: boolean; limitBytes: number }): void;
  stop(): void;
}

/**
 * Replaces the data transfer of a connection. Call it after the first channel was created and before the connection is negotiated.
 * Returns undefined and changes nothing if werift is not the version that this folder was written for.
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
      // Later, since other listeners have not been called yet.
      setImmediate(() => void discoverPathMtu(association, ends, systemClock));
    },
    stop: () => association.stop(),
  };
}
