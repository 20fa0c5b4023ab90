import type { Superblock } from './superblock.ts';

/** Messages of object headers that matter here (HDF5 File Format Specification, section IV.A.2). */
const EXTERNAL_FILES = 0x07;
const DATA_LAYOUT = 0x08;
const CONTINUATION = 0x10;
const CACHE_IMAGE = 0x18;

/** The highest class of data layout that keeps the data in the file itself: compact, contiguous, chunked. */
const LAST_LOCAL_LAYOUT = 2;
const VIRTUAL_LAYOUT = 3;

/** Largest object header, in bytes. Those of SLEAP have a few kilobytes. */
const MAX_HEADER_BYTES = 2 ** 24;
/** Most parts of one object header. */
const MAX_PARTS = 4096;

/** Reads bytes of the file. Addresses count from the superblock. @throws Unreadable if the file is shorter */
export type ReadAt = (address: bigint, length: number) => Buffer;

/** The reason why a file cannot be judged. */
export class Unreadable extends Error {}

/** What an object header says of where the object's data is. */
export interface HeaderFacts {
  hasExternalFiles: boolean;
  isVirtual: boolean;
  /** In the header of the superblock's extension: parts of the file are read from another place than where they seem to be. */
  hasCacheImage: boolean;
}

interface Message {
  type: number;
  data: Buffer;
}

/**
 * Reads an object's header. libhdf5 would tell most of this, too, but h5wasm has no function that asks it for external files.
 * @throws Unreadable if the header is not one that libhdf5 writes
 */
export function readObjectHeader(
  read: ReadAt,
  address: bigint,
  widths: NonNullable<Superblock['widths']>,
): HeaderFacts {
  const facts: HeaderFacts = { hasExternalFiles: false, isVirtual: false, hasCacheImage: false };
  for (const { type, data } of messagesOf(read, address, widths)) {
    if (type === EXTERNAL_FILES) facts.hasExternalFiles = true;
    if (type === CACHE_IMAGE) facts.hasCacheImage = true;
    if (type === DATA_LAYOUT) {
      // Version 1 and 2: version, number of dimensions, class; later: version, class.
      const layout = data[(data[0] ?? 0) < 3 ? 2 : 1] ?? 255;
      if (layout === VIRTUAL_LAYOUT) facts.isVirtual = true;
      else if (layout > LAST_LOCAL_LAYOUT) throw new Unreadable('its data layout is unknown');
    }
  }
  return facts;
}

function* messagesOf(
  read: ReadAt,
  address: bigint,
  widths: NonNullable<Superblock['widths']>,
): Generator<Message, void, undefined> {
  const prefix = prefixAt(read, address);
  const parts = [{ at: address + BigInt(prefix.bytes), length: prefix.firstPart }];
  let bytes = 0;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index];
    bytes += part?.length ?? 0;
    if (part === undefined || parts.length > MAX_PARTS || bytes > MAX_HEADER_BYTES)
      throw new Unreadable('a header is too large');
    for (const message of messagesIn(read(part.at, part.length), prefix)) {
      yield message;
      if (message.type === CONTINUATION) parts.push(continuation(message.data, prefix, widths));
    }
  }
}

interface Prefix {
  version: 1 | 2;
  /** Size of the prefix. */
  bytes: number;
  /** Size of the first part with messages. */
  firstPart: number;
  /** Size of what precedes each message's data. */
  messageHead: number;
}

function prefixAt(read: ReadAt, address: bigint): Prefix {
  const head = read(address, 16);
  if (head.toString('latin1', 0, 4) === 'OHDR' && head[4] === 2) {
    const flags = head[5] ?? 0;
    const sizeAt = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
    const sizeBytes = 2 ** (flags & 3);
    const size = unsigned(read(address + BigInt(sizeAt), sizeBytes), 0, sizeBytes);
    return { version: 2, bytes: sizeAt + sizeBytes, firstPart: size, messageHead: flags & 0x04 ? 6 : 4 };
  }
  if (head[0] !== 1) throw new Unreadable('an object has no header');
  return { version: 1, bytes: 16, firstPart: head.readUInt32LE(8), messageHead: 8 };
}

/** Version 1: type (2 bytes), size (2), flags (1), reserved (3). Version 2: type (1), size (2), flags (1), creation order (0 or 2). */
function* messagesIn(part: Buffer, { version, messageHead }: Prefix): Generator<Message, void, undefined> {
  for (let at = 0; at + messageHead <= part.length; ) {
    const type = version === 1 ? part.readUInt16LE(at) : part.readUInt8(at);
    const size = part.readUInt16LE(at + (version === 1 ? 2 : 1));
    const from = at + messageHead;
    if (from + size > part.length) throw new Unreadable('a header is damaged');
    yield { type, data: part.subarray(from, from + size) };
    at = from + size;
  }
}

function continuation(data: Buffer, { version }: Prefix, { address, length }: NonNullable<Superblock['widths']>) {
  if (data.length < address + length) throw new Unreadable('a header is damaged');
  const at = address === 8 ? data.readBigUInt64LE(0) : BigInt(data.readUInt32LE(0));
  const size = unsigned(data, address, length);
  // In version 2 the part begins with the signature `OCHK` and ends with a checksum.
  return version === 1 ? { at, length: size } : { at: at + 4n, length: Math.max(0, size - 8) };
}

function unsigned(bytes: Buffer, at: number, width: number): number {
  return width === 8 ? Number(bytes.readBigUInt64LE(at)) : bytes.readUIntLE(at, width);
}
