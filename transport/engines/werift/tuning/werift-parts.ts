import type { Connection, DtlsSocket, RTCSctpTransport } from 'werift';

/** The parts of werift 0.25.2 that are used here and are not public. `shape.ts` checks that they have not changed. */

/** `RTCSctpTransport.sctp`. */
export interface Association {
  readonly onReceive: RTCSctpTransport['sctp']['onReceive'];
  readonly transport: { send(packet: Buffer): Promise<void> };
  readonly outboundStreamSeq: Record<number, number>;
  readonly localPort: number;
  readonly remotePort: number | undefined;
  readonly localVerificationTag: number;
  readonly remoteVerificationTag: number;
  readonly lastReceivedTsn: number | undefined;
  readonly peerAdvertisedRwnd: number;
  readonly isStopped: boolean;
  /** A state of RFC 9260: 4 is established, 1 is closed. */
  readonly associationState: number;
  advertisedRwnd: number;
  localPartialReliability: boolean;
  localTsn: number;
  /** In seconds. */
  rto: number;
  maxPayloadSize: number;
  handleData(packet: Buffer): Promise<void>;
  send: (streamId: number, protocolId: number, data: Buffer, options?: { ordered?: boolean }) => Promise<void>;
  transmit(): Promise<void>;
  abort(): Promise<void>;
  setState(state: number): void;
}

/** `AEADCipher`, once the handshake is over. */
export interface Aead {
  readonly blockAlgorithm: string;
  readonly clientWriteKey: Buffer;
  readonly serverWriteKey: Buffer;
  readonly clientNonce: Buffer;
  readonly serverNonce: Buffer;
  readonly nonceExplicitLength: number;
  readonly authTagLength: number;
}

export type Dtls = DtlsSocket;

export type IceConnection = Pick<Connection, 'nominated' | 'send'> & {
  /** Whether there is a path that the peer still consents to (RFC 7675). */
  canSendApplicationData(): boolean;
};

/** What passes datagrams to DTLS: `IceTransport` of werift's `dtls.ts`. */
export interface DatagramSource {
  onData: (datagram: Buffer) => void;
}
