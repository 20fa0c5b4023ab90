import { crc32c } from 'werift';

/** SCTP packets (RFC 9260, 3) with DATA and SACK chunks. werift reads and writes the other chunks. */

export const CHUNK_DATA = 0;
export const CHUNK_INIT = 1;
export const CHUNK_SACK = 3;
export const CHUNK_HEARTBEAT = 4;
export const CHUNK_HEARTBEAT_ACK = 5;

/** Flags of a DATA chunk (RFC 9260, 3.3.1). */
export const DATA_LAST = 1;
export const DATA_FIRST = 2;
export const DATA_UNORDERED = 4;

const COMMON_HEADER_BYTES = 12;
const CHUNK_HEADER_BYTES = 4;
const DATA_HEADER_BYTES = 16;
const SACK_HEADER_BYTES = 16;

/** Bytes of a packet with one DATA chunk besides its data. */
export const DATA_OVERHEAD_BYTES = COMMON_HEADER_BYTES + DATA_HEADER_BYTES;

/** The header of each packet that we send in an association. */
export interface PacketHeader {
  sourcePort: number;
  destinationPort: number;
  verificationTag: number;
}

export interface DataChunk {
  tsn: number;
  flags: number;
  streamId: number;
  streamSequence: number;
  protocolId: number;
  data: Buffer;
}

/** A run of TSNs that were received beyond the cumulative TSN, as offsets from it. Both are inclusive. */
export type GapBlock = [start: number, end: number];

export interface SackChunk {
  cumulativeTsn: number;
  windowBytes: number;
  gaps: GapBlock[];
}

/** A chunk in a packet. The body is a view of the packet. */
export interface RawChunk {
  type: number;
  flags: number;
  body: Buffer;
}

export function dataPacket(header: PacketHeader, chunk: DataChunk): Buffer {
  const { data } = chunk;
  const length = DATA_HEADER_BYTES + data.length;
  const packet = startPacket(header, padded(length));
  startChunk(packet, CHUNK_DATA, chunk.flags, length);
  packet.writeUInt32BE(chunk.tsn, 16);
  packet.writeUInt16BE(chunk.streamId, 20);
  packet.writeUInt16BE(chunk.streamSequence, 22);
  packet.writeUInt32BE(chunk.protocolId, 24);
  packet.set(data, DATA_OVERHEAD_BYTES);
  return sealPacket(packet);
}

export function sackPacket(header: PacketHeader, { cumulativeTsn, windowBytes, gaps }: SackChunk): Buffer {
  const length = SACK_HEADER_BYTES + 4 * gaps.length;
  const packet = startPacket(header, length);
  startChunk(packet, CHUNK_SACK, 0, length);
  packet.writeUInt32BE(cumulativeTsn, 16);
  packet.writeUInt32BE(windowBytes, 20);
  packet.writeUInt16BE(gaps.length, 24);
  packet.writeUInt16BE(0, 26);
  let at = COMMON_HEADER_BYTES + SACK_HEADER_BYTES;
  for (const [start, end] of gaps) {
    packet.writeUInt16BE(start, at);
    packet.writeUInt16BE(end, at + 2);
    at += 4;
  }
  return sealPacket(packet);
}

/** A packet with one chunk of any type. */
export function chunkPacket(header: PacketHeader, { type, flags, body }: RawChunk): Buffer {
  const length = CHUNK_HEADER_BYTES + body.length;
  const packet = startPacket(header, padded(length));
  startChunk(packet, type, flags, length);
  packet.set(body, COMMON_HEADER_BYTES + CHUNK_HEADER_BYTES);
  return sealPacket(packet);
}

/** Reads the chunks of a packet. Returns undefined if it is damaged or belongs to another association (RFC 9260, 8.5). */
export function readPacket(packet: Buffer, verificationTag: number): RawChunk[] | undefined {
  if (packet.length < COMMON_HEADER_BYTES + CHUNK_HEADER_BYTES) return undefined;
  if (packet.readUInt32BE(4) !== verificationTag) return undefined;
  const checksum = packet.readUInt32LE(8);
  packet.writeUInt32LE(0, 8);
  const matches = crc32c(packet) === checksum;
  packet.writeUInt32LE(checksum, 8);
  if (!matches) return undefined;
  const chunks: RawChunk[] = [];
  for (let at = COMMON_HEADER_BYTES; at + CHUNK_HEADER_BYTES <= packet.length; ) {
    const length = packet.readUInt16BE(at + 2);
    if (length < CHUNK_HEADER_BYTES || at + length > packet.length) return undefined;
    chunks.push({
      type: packet.readUInt8(at),
      flags: packet.readUInt8(at + 1),
      body: packet.subarray(at + CHUNK_HEADER_BYTES, at + length),
    });
    at += padded(length);
  }
  return chunks;
}

/** Reads the header of a packet, to write another packet with the same header. */
export function readHeader(packet: Buffer): PacketHeader {
  return {
    sourcePort: packet.readUInt16BE(0),
    destinationPort: packet.readUInt16BE(2),
    verificationTag: packet.readUInt32BE(4),
  };
}

/** Returns undefined if the chunk is too short, or has no data, which is forbidden (RFC 9260, 3.3.1). */
export function readData({ flags, body }: RawChunk): DataChunk | undefined {
  if (body.length <= 12) return undefined;
  return {
    tsn: body.readUInt32BE(0),
    flags,
    streamId: body.readUInt16BE(4),
    streamSequence: body.readUInt16BE(6),
    protocolId: body.readUInt32BE(8),
    data: body.subarray(12),
  };
}

export function readSack({ body }: RawChunk): SackChunk | undefined {
  if (body.length < 12) return undefined;
  const count = body.readUInt16BE(8);
  if (body.length < 12 + 4 * count) return undefined;
  const gaps: GapBlock[] = [];
  for (let block = 0; block < count; block += 1) {
    gaps.push([body.readUInt16BE(12 + 4 * block), body.readUInt16BE(14 + 4 * block)]);
  }
  return { cumulativeTsn: body.readUInt32BE(0), windowBytes: body.readUInt32BE(4), gaps };
}

function padded(length: number): number {
  return (length + 3) & ~3;
}

function startPacket({ sourcePort, destinationPort, verificationTag }: PacketHeader, chunkBytes: number): Buffer {
  const packet = Buffer.allocUnsafe(COMMON_HEADER_BYTES + chunkBytes);
  packet.writeUInt16BE(sourcePort, 0);
  packet.writeUInt16BE(destinationPort, 2);
  packet.writeUInt32BE(verificationTag, 4);
  packet.writeUInt32LE(0, 8);
  return packet;
}

function startChunk(packet: Buffer, type: number, flags: number, length: number): void {
  packet.writeUInt8(type, 12);
  packet.writeUInt8(flags, 13);
  packet.writeUInt16BE(length, 14);
  // Padding is zero.
  packet.fill(0, COMMON_HEADER_BYTES + length);
}

function sealPacket(packet: Buffer): Buffer {
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}
