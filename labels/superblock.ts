import { type FileHandle, open } from 'node:fs/promises';

/** First bytes of an HDF5 superblock (HDF5 File Format Specification, section II.A). */
const HDF5_SIGNATURE = Buffer.from([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]);
/** Size of a superblock of any version up to and including its end-of-file address. */
const SUPERBLOCK_BYTES = 64;
/** An address of ones only means that there is nothing. */
const UNDEFINED_4 = 2n ** 32n - 1n;
const UNDEFINED_8 = 2n ** 64n - 1n;

/** The beginning of an HDF5 file. */
export interface Superblock {
  /** Its position in the file, from which all addresses count. */
  offset: number;
  /** Width of addresses and lengths, in bytes; undefined if the superblock is damaged. */
  widths: { address: 4 | 8; length: 4 | 8 } | undefined;
  /** The smallest size that the file can have, in bytes; undefined if the superblock is damaged. */
  promisedEnd: bigint | undefined;
  /** Address of the header with further properties of the file; undefined if there is none. */
  extension: bigint | undefined;
}

/**
 * Finds the superblock of an HDF5 file where HDF5 itself looks for it: at 0, at 512 and at each doubling of that.
 * @returns undefined if the file is not HDF5
 */
export async function findSuperblock(path: string): Promise<Superblock | undefined> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    for (let offset = 0; offset < size; offset = offset === 0 ? 512 : offset * 2) {
      const bytes = await readAt(file, offset);
      if (bytes.subarray(0, 8).equals(HDF5_SIGNATURE)) return parse(bytes, offset);
    }
    return undefined;
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, offset: number): Promise<Buffer> {
  const bytes = Buffer.alloc(SUPERBLOCK_BYTES);
  const { bytesRead } = await file.read(bytes, 0, SUPERBLOCK_BYTES, offset);
  return bytes.subarray(0, bytesRead);
}

function parse(bytes: Buffer, offset: number): Superblock {
  const version = bytes[8] ?? 255;
  const damaged = { offset, widths: undefined, promisedEnd: undefined, extension: undefined };
  if (version > 3) return damaged;
  // Versions 0 and 1: widths at 13 and 14; from 24 (28 in version 1) base, free space, end of file.
  // Versions 2 and 3: widths at 9 and 10; from 12 base, extension, end of file.
  const address = width(bytes[version < 2 ? 13 : 9]);
  const length = width(bytes[version < 2 ? 14 : 10]);
  if (address === undefined) return damaged;
  const first = version < 2 ? 24 + 4 * version : 12;
  const read = (index: number): bigint | undefined => {
    const at = first + index * address;
    if (at + address > bytes.length) return undefined;
    return address === 8 ? bytes.readBigUInt64LE(at) : BigInt(bytes.readUInt32LE(at));
  };
  const [base, second, end] = [read(0), read(1), read(2)];
  const hasExtension = version >= 2 && second !== (address === 8 ? UNDEFINED_8 : UNDEFINED_4);
  return {
    offset,
    widths: length === undefined ? undefined : { address, length },
    // As in libhdf5: if a block was put in front of the file, all its addresses move by the block's size.
    promisedEnd: base === undefined || end === undefined || end === 0n ? undefined : end + BigInt(offset) - base,
    extension: hasExtension ? second : undefined,
  };
}

function width(byte: number | undefined): 4 | 8 | undefined {
  return byte === 4 || byte === 8 ? byte : undefined;
}
