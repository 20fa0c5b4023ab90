import { createCipheriv, createDecipheriv } from 'node:crypto';
import { type RTCDtlsTransport, type RTCIceTransport, StunProtocol } from 'werift';
import type { Aead, DatagramSource, Dtls, IceConnection } from './werift-parts.ts';

/** A DTLS 1.2 record of application data (RFC 6347, 4.1), with AES-GCM's explicit nonce (RFC 5288, 3). */
const APPLICATION_DATA = 23;
const HEADER_BYTES = 13;
const NONCE_BYTES = 8;
const TAG_BYTES = 16;
/** Bytes of a record besides its content. */
export const RECORD_OVERHEAD_BYTES = HEADER_BYTES + NONCE_BYTES + TAG_BYTES;
/** The epoch of the keys that the handshake agreed on. */
const EPOCH = 1;
const DTLS_1_2 = 0xfefd;

/**
 * Moves SCTP packets between DTLS and the socket in one step in each direction; werift takes a dozen calls, three promises and four
 * copies. Keys, record numbers, the choice of the path, the handshake and everything but application data stay werift's. Returns the
 * function that sends packets, or undefined if the connection does not use the cipher that this is written for.
 */
export function takeRecordPath(
  dtlsTransport: RTCDtlsTransport,
  iceTransport: RTCIceTransport,
): ((packet: Buffer) => void) | undefined {
  const dtls = dtlsTransport.dtls as unknown as Dtls | undefined;
  const aead = dtls?.cipher.cipher as unknown as Aead | undefined;
  if (dtls === undefined || aead?.blockAlgorithm !== 'aes-128-gcm') return undefined;
  if (aead.nonceExplicitLength !== NONCE_BYTES || aead.authTagLength !== TAG_BYTES) return undefined;
  const isClient = dtls.sessionType === 1;
  const own = isClient
    ? { key: aead.clientWriteKey, salt: aead.clientNonce }
    : { key: aead.serverWriteKey, salt: aead.serverNonce };
  const peers = isClient
    ? { key: aead.serverWriteKey, salt: aead.serverNonce }
    : { key: aead.clientWriteKey, salt: aead.clientNonce };
  const seal = sealer({ ...own, salt: own.salt.subarray(0, 4) });
  const open = opener({ ...peers, salt: peers.salt.subarray(0, 4) });
  const ice = iceTransport.connection as unknown as IceConnection;

  const receive = (datagram: Buffer): boolean => {
    const packet = open(datagram);
    if (packet === undefined) return false;
    dtlsTransport.dataReceiver(packet);
    return true;
  };
  const source = dtls.transport.socket as unknown as DatagramSource;
  const receiveOther = source.onData;
  source.onData = (datagram) => {
    if (!receive(datagram)) receiveOther(datagram);
  };
  const protocol = ice.nominated?.protocol;
  if (protocol instanceof StunProtocol) {
    const udp = protocol.transport;
    const handleOther = udp.onData;
    udp.onData = (datagram, from) => {
      const pair = ice.nominated;
      if (pair?.protocol !== protocol || !receive(datagram)) return handleOther(datagram, from);
      pair.packetsReceived += 1;
      pair.bytesReceived += datagram.length;
    };
  }

  return (packet) => {
    if (!ice.canSendApplicationData()) return;
    dtls.dtls.recordSequenceNumber += 1;
    const record = seal(packet, dtls.dtls.recordSequenceNumber);
    const pair = ice.nominated;
    if (pair?.protocol instanceof StunProtocol && !pair.protocol.transport.closed) {
      const [host, port] = pair.remoteAddr;
      pair.protocol.transport.socket.send(record, port, host, ignoreError);
      pair.packetsSent += 1;
      pair.bytesSent += record.length;
    } else {
      ice.send(record).catch(ignoreError);
    }
  };
}

/** A datagram that cannot be sent counts as lost, and is sent again. */
function ignoreError(): void {}

interface Keys {
  key: Buffer;
  /** The implicit part of the nonce. */
  salt: Buffer;
}

function sealer({ key, salt }: Keys): (packet: Buffer, sequence: number) => Buffer {
  const iv = Buffer.alloc(12);
  salt.copy(iv);
  const additional = Buffer.alloc(HEADER_BYTES);
  return (packet, sequence) => {
    const record = Buffer.allocUnsafe(packet.length + RECORD_OVERHEAD_BYTES);
    iv.writeUInt16BE(EPOCH, 4);
    iv.writeUIntBE(sequence, 6, 6);
    // The additional data is the record's number, type and version, and the length of the plain text (RFC 5246, 6.2.3.3).
    additional.set(iv.subarray(4), 0);
    additional.writeUInt8(APPLICATION_DATA, 8);
    additional.writeUInt16BE(DTLS_1_2, 9);
    additional.writeUInt16BE(packet.length, 11);
    record.writeUInt8(APPLICATION_DATA, 0);
    record.writeUInt16BE(DTLS_1_2, 1);
    record.set(iv.subarray(4), 3);
    record.writeUInt16BE(packet.length + NONCE_BYTES + TAG_BYTES, 11);
    record.set(iv.subarray(4), HEADER_BYTES);
    const cipher = createCipheriv('aes-128-gcm', key, iv);
    cipher.setAAD(additional);
    record.set(cipher.update(packet), HEADER_BYTES + NONCE_BYTES);
    cipher.final();
    record.set(cipher.getAuthTag(), record.length - TAG_BYTES);
    return record;
  };
}

/** Returns undefined if a datagram is not a single record of application data with these keys, or was tampered with. */
function opener({ key, salt }: Keys): (datagram: Buffer) => Buffer | undefined {
  const iv = Buffer.alloc(12);
  salt.copy(iv);
  const additional = Buffer.alloc(HEADER_BYTES);
  return (datagram) => {
    const plainBytes = datagram.length - RECORD_OVERHEAD_BYTES;
    if (plainBytes < 0 || datagram[0] !== APPLICATION_DATA) return undefined;
    if (datagram.readUInt16BE(3) !== EPOCH) return undefined;
    if (datagram.readUInt16BE(11) !== datagram.length - HEADER_BYTES) return undefined;
    iv.set(datagram.subarray(HEADER_BYTES, HEADER_BYTES + NONCE_BYTES), 4);
    additional.set(datagram.subarray(3, 11), 0);
    additional.set(datagram.subarray(0, 3), 8);
    additional.writeUInt16BE(plainBytes, 11);
    const decipher = createDecipheriv('aes-128-gcm', key, iv);
    decipher.setAuthTag(datagram.subarray(datagram.length - TAG_BYTES));
    decipher.setAAD(additional);
    const packet = decipher.update(datagram.subarray(HEADER_BYTES + NONCE_BYTES, datagram.length - TAG_BYTES));
    try {
      decipher.final();
      return packet;
    } catch {
      return undefined;
    }
  };
}
