import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Tools } from '../../stack/index.ts';

/** A centroid config that trains in seconds. */
export const FLIES_CONFIG = join(import.meta.dirname, '../../stack/quickstart/flies-centroid.yaml');

/** One labelled frame of two flies, from sleap-nn's source distribution. */
export function fliesLabels(tools: Tools): string {
  return join(tools.sampleDataDir, 'minimal_instance.pkg.slp');
}

/** A video of two flies, 1100 frames of 384×384, 1.0 MB. */
export function fliesVideo(tools: Tools): string {
  return join(tools.sampleDataDir, 'centered_pair_small.mp4');
}

/** The flies' video with its frames overwritten: it has the boxes of an MP4, but no frame can be read. */
export async function damagedVideo(tools: Tools, path: string): Promise<string> {
  const bytes = await readFile(fliesVideo(tools));
  const pictures = bytes.indexOf('mdat') + 4;
  await writeFile(path, bytes.fill(0xff, pictures, pictures + 700_000));
  return path;
}

const PAD = `
import sys, shutil, h5py, numpy
shutil.copy(sys.argv[1], sys.argv[2])
with h5py.File(sys.argv[2], 'a') as f:
    f['padding'] = numpy.random.default_rng(int(sys.argv[4])).integers(0, 256, int(sys.argv[3]), dtype='uint8')
`;

/** The flies' labels made larger by `bytes` of noise that sleap-io does not read, so that sending them takes a while. */
export async function paddedLabels(tools: Tools, path: string, bytes: number, seed = 0): Promise<string> {
  await execa(tools.python, ['-c', PAD, fliesLabels(tools), path, String(bytes), String(seed)]);
  return path;
}

const DAMAGE = `
import sys, shutil
shutil.copy(sys.argv[1], sys.argv[2])
with open(sys.argv[2], 'r+b') as f:
    size = f.seek(0, 2)
    f.seek(2048)
    f.write(b'\\xff' * (size - 4096))
`;

/** The flies' labels with their middle overwritten: first and last bytes are those of an HDF5 file, but it is unreadable. */
export async function damagedLabels(tools: Tools, path: string): Promise<string> {
  await execa(tools.python, ['-c', DAMAGE, fliesLabels(tools), path]);
  return path;
}

/** The quickstart's config with two short epochs, for tests that need a model but not its training. */
export async function shortConfig(path: string): Promise<string> {
  const text = await readFile(FLIES_CONFIG, 'utf8');
  await writeFile(
    path,
    text.replace(/max_epochs: \d+/, 'max_epochs: 2').replace(/train_steps_per_epoch: \d+/, 'train_steps_per_epoch: 3'),
  );
  return path;
}

/** The quickstart's config with one more line in a section. */
export async function configWith(path: string, section: string, line: string): Promise<string> {
  const text = await readFile(FLIES_CONFIG, 'utf8');
  await writeFile(path, text.replace(`${section}:\n`, `${section}:\n  ${line}\n`));
  return path;
}
