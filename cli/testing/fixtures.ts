import { writeFile } from 'node:fs/promises';

/** A config that sleap-nn accepts, of one head. */
export function configYaml(head = 'single_instance', extra = ''): string {
  return `data_config: {train_labels_path: [labels.pkg.slp], validation_fraction: 0.1${extra}}
model_config:
  backbone_config: {unet: {in_channels: 1, filters: 8, filters_rate: 1.5, max_stride: 8, output_stride: 2}}
  head_configs: {${head}: {confmaps: {sigma: 3.0, output_stride: 2}}}
trainer_config: {max_epochs: 2}
`;
}

/** An HDF5 file without objects that says it has `end` bytes, filled up to `size`. Of superblock version 2 it has the start only. */
export function hdf5(options: {
  size: number;
  end?: number;
  text?: string;
  userBlock?: number;
  version?: 0 | 2;
}): Buffer {
  const { size, end = size, text = '', userBlock = 0, version = 0 } = options;
  const file = Buffer.alloc(size);
  const superblock = Buffer.alloc(144);
  superblock.set([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a, version]);
  superblock.set([8, 8], version === 0 ? 13 : 9);
  superblock.writeBigUInt64LE(BigInt(userBlock), version === 0 ? 24 : 12);
  superblock.writeBigUInt64LE(BigInt(end), version === 0 ? 40 : 28);
  if (version === 0) addRootGroup(superblock);
  file.set(superblock.subarray(0, Math.max(0, size - userBlock)), userBlock);
  file.write(text, userBlock + 192);
  return file;
}

/** Completes a superblock of version 0: its constants, and a root group without links. */
function addRootGroup(superblock: Buffer): void {
  const nothing = 2n ** 64n - 1n;
  const [rootEntry, header] = [56, 96];
  superblock.writeUInt16LE(4, 16);
  superblock.writeUInt16LE(16, 18);
  for (const at of [32, 48]) superblock.writeBigUInt64LE(nothing, at);
  superblock.writeBigUInt64LE(BigInt(header), rootEntry + 8);
  // An object header of version 1 with one message of 24 bytes: a group's links (0x02), of which there are none.
  superblock.set([1, 0, 1, 0, 1, 0, 0, 0, 32], header);
  superblock.set([2, 0, 24], header + 16);
  for (const at of [26, 34]) superblock.writeBigUInt64LE(nothing, header + at);
}

/** The JSON of embedded images, as it is in a file. */
export const EMBEDDED = '{"filename":".","dataset":"video0/video"}';

/** Writes labels that pass every check made here (no trainer would read them). */
export async function writeLabels(path: string): Promise<string> {
  await writeFile(path, hdf5({ size: 4096, text: EMBEDDED }));
  return path;
}

/** A box of an MP4 file; `length` 0 (up to the end of the file) and 1 (64-bit length) are written as they are. */
export function box(type: string, content: Buffer, length?: 0 | 1): Buffer {
  const head = Buffer.alloc(length === 1 ? 16 : 8);
  head.writeUInt32BE(length ?? 8 + content.length, 0);
  head.write(type, 4, 'latin1');
  if (length === 1) head.writeBigUInt64BE(BigInt(16 + content.length), 8);
  return Buffer.concat([head, content]);
}

/** A file that has the boxes of an MP4, but that no player would play. */
export function mp4(): Buffer {
  return Buffer.concat([
    box('ftyp', Buffer.from('isom')),
    box('mdat', Buffer.alloc(2000, 1)),
    box('moov', Buffer.alloc(50)),
  ]);
}
