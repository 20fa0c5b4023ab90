import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import type { Attempt } from '../attempts.ts';

/** A ZIP file like torch's, with what a resume needs, and some weights. */
const MAKE = `
import pickle, sys, zipfile
from collections import OrderedDict
path, epoch, weights = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with zipfile.ZipFile(path, 'w') as archive:
    state = {'epoch': epoch, 'global_step': epoch * 3, 'state_dict': OrderedDict(), 'optimizer_states': [], 'loops': {}}
    archive.writestr('archive/data.pkl', pickle.dumps(state))
    archive.writestr('archive/data/0', weights)
`;

/** Writes what sleap-nn writes at the end of an epoch, from 0. @param options.from the first epoch of this attempt */
export async function epochEnds(
  { runFolder }: Attempt,
  epoch: number,
  { from = 0, weights = '' }: { from?: number; weights?: string } = {},
): Promise<void> {
  await mkdir(runFolder, { recursive: true });
  const rows = Array.from({ length: epoch - from + 1 }, (_, i) => `${from + i},,0.${9 - from - i}`);
  await writeFile(join(runFolder, 'training_log.csv'), ['epoch,train/loss,val/loss', ...rows, ''].join('\n'));
  await writeFile(join(runFolder, 'training_config.yaml'), 'a: 1');
  await writeFile(join(runFolder, 'labels_gt.train.0.slp'), 'labels');
  for (const name of ['best.ckpt', 'last.ckpt']) {
    await execa('python3', ['-c', MAKE, join(runFolder, name), String(epoch), `${name} of ${epoch}${weights}`]);
  }
}
