import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { installFolder } from './cache-folder.ts';
import { downloadSource, type SetupContext } from './environments.ts';
import { installOnce } from './install-once.ts';
import { runStep } from './run-step.ts';

/** Files of sleap-nn's source distribution: real labels and videos, and their licence. */
const MEMBERS = [
  'LICENSE',
  'tests/assets/datasets/minimal_instance.pkg.slp',
  'tests/assets/datasets/centered_pair_small.mp4',
  'tests/assets/datasets/small_robot_minimal.slp',
  'tests/assets/datasets/small_robot.mp4',
];

/** Copies the named members of the one archive in a folder to another folder, each under its last name. */
const EXTRACT = `
import pathlib, shutil, sys, tarfile
source, target, *names = sys.argv[1:]
with tarfile.open(next(pathlib.Path(source).glob("*.tar.gz"))) as archive:
    members = {member.name.partition("/")[2]: member for member in archive if member.isfile()}
    for name in names:
        with archive.extractfile(members[name]) as data, open(pathlib.Path(target, pathlib.Path(name).name), "wb") as copy:
            shutil.copyfileobj(data, copy)
`;

/** Downloads the sample data, unless it exists, and returns its folder. */
export async function ensureSampleData(context: SetupContext): Promise<string> {
  const dir = await sampleDataFolder(context);
  const { onProgress, signal } = context;
  await installOnce({
    dir,
    title: 'the sample data',
    mustExist: 'minimal_instance.pkg.slp',
    onProgress,
    signal,
    make: async (stop) => {
      onProgress('Downloading the sample data (28 MB); about 5 s');
      const archive = join(dir, 'archive');
      await mkdir(archive);
      const logFile = `${dir}.log`;
      const python = await downloadSource({ ...context, signal: stop }, 'sample-data', archive, logFile);
      const args = ['-c', EXTRACT, archive, dir, ...MEMBERS];
      await runStep('The sample data could not be unpacked', { command: python, args, logFile, signal: stop });
      await rm(archive, { recursive: true });
    },
  });
  return dir;
}

/** The folder of the sample data, whether or not it exists. */
export function sampleDataFolder(context: SetupContext): Promise<string> {
  return installFolder(context.cache, 'sample-data', join(context.requirements, 'sample-data.txt'), MEMBERS);
}
