import { closeSync, openSync, readSync } from 'node:fs';
import { ready } from 'h5wasm/node';
import { type ReadAt, readObjectHeader, Unreadable } from './object-header.ts';
import { findSuperblock, type Superblock } from './superblock.ts';

/** Most links of a file. A package with a thousand videos has some ten thousand. */
const MAX_LINKS = 500_000;
/** A sign that a name is not valid UTF-8. */
const REPLACEMENT = '\ufffd';
const REFERENCE_BYTES = 8;

/** A part of an HDF5 file that is in another file. */
export interface OutsideReference {
  /** The dataset or link. */
  name: string;
  kind: 'external storage' | 'external link' | 'virtual dataset';
  /** The other file, if the reference is a link. */
  target?: string;
}

type H5 = Awaited<typeof ready>;

/**
 * Looks for parts of an HDF5 file that are in other files: external links, datasets with external raw storage, virtual datasets. No
 * link is followed and no data is read. libhdf5 itself (as WebAssembly) lists the links, so a file cannot show us others than it
 * shows sleap-nn.
 *
 * It takes seconds for very large files, and as long as a file wants that was made to hang libhdf5: run it in a thread.
 * @returns the first one; undefined if the file has none, or is not HDF5
 * @throws Unreadable if this cannot be found out
 */
export async function findOutsideReference(path: string): Promise<OutsideReference | undefined> {
  const superblock = await findSuperblock(path);
  if (superblock === undefined) return undefined;
  const { widths } = superblock;
  if (widths === undefined) throw new Unreadable('its superblock is damaged');
  const h5 = await ready;
  const fd = openSync(path, 'r');
  const read = reader(fd, superblock);
  try {
    if (superblock.extension !== undefined && readObjectHeader(read, superblock.extension, widths).hasCacheImage) {
      throw new Unreadable('it has a metadata cache image');
    }
    // An error in the middle of a list must not look like the list's end.
    h5.activate_throwing_error_handler();
    const file = h5.open(path, h5.H5F_ACC_RDONLY, false, -1, -1);
    const addresses = new Set<bigint>();
    for (const name of linkNames(h5, file)) {
      const link = h5.get_external_link(file, name);
      if (link.filename !== undefined) return { name, kind: 'external link', target: link.filename };
      // What a soft link names is in the list itself, if it is in the file.
      if (h5.get_symbolic_link(file, name) !== null) continue;
      const address = addressOf(h5, file, name);
      if (addresses.has(address)) continue;
      addresses.add(address);
      const { hasExternalFiles, isVirtual } = readObjectHeader(read, address, widths);
      if (hasExternalFiles) return { name, kind: 'external storage' };
      if (isVirtual) return { name, kind: 'virtual dataset' };
    }
    h5.close_file(file);
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** Every link of the file, in the order of names: those by which a program can reach something. */
function linkNames(h5: H5, file: bigint): string[] {
  const names = h5.get_names(file, '/', true).map((name) => `/${name}`);
  if (names.length > MAX_LINKS) throw new Unreadable(`it has more than ${MAX_LINKS} objects`);
  // Two names that we read as one could be two links, of which we would see one.
  if (new Set(names).size < names.length || names.some((name) => name.includes(REPLACEMENT))) {
    throw new Unreadable('two of its objects have the same name, or a name is not valid UTF-8');
  }
  return names;
}

function addressOf(h5: H5, file: bigint, name: string): bigint {
  const reference = Buffer.from(h5.create_object_reference(file, name));
  const address = reference.length === REFERENCE_BYTES ? reference.readBigUInt64LE(0) : 0n;
  if (address === 0n) throw new Unreadable(`${JSON.stringify(name)} leads nowhere`);
  return address;
}

function reader(fd: number, { offset }: Superblock): ReadAt {
  return (address, length) => {
    const position = Number(address) + offset;
    if (!Number.isSafeInteger(position) || !Number.isSafeInteger(length) || length > 2 ** 24) {
      throw new Unreadable('an address is damaged');
    }
    const bytes = Buffer.alloc(length);
    if (readSync(fd, bytes, 0, length, position) < length)
      throw new Unreadable('an object is behind the end of the file');
    return bytes;
  };
}
