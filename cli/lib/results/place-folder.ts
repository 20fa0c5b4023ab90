import { access, constants, mkdir, rename, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';

/**
 * Moves a finished folder into another one under its name, or under `name-2`, `name-3`… where that is taken: nobody's files are
 * ever overwritten. Both must lie on one file system.
 * @returns where it lies now
 */
export async function placeFolder(finished: string, parent: string, name: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  for (let number = 1; ; number++) {
    const target = join(parent, number === 1 ? name : `${name}-${number}`);
    try {
      // Making the folder claims the name, also against another CLI at the same moment.
      await mkdir(target);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    await moveOnto(finished, target);
    return target;
  }
}

async function moveOnto(finished: string, emptyFolder: string): Promise<void> {
  try {
    await rename(finished, emptyFolder);
  } catch (error) {
    // Windows does not rename onto a folder, even an empty one.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM' && code !== 'EEXIST' && code !== 'EACCES') throw error;
    await rmdir(emptyFolder);
    await rename(finished, emptyFolder);
  }
}

/**
 * Checks, without making anything, that results will have a place to go to.
 * @throws SleapRtcError USAGE
 */
export async function checkOutputFolder(path: string): Promise<void> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found === undefined && dirname(folder) !== folder) continue;
    if (!found?.isDirectory())
      throw new SleapRtcError('USAGE', `The output folder ${path} cannot be made: ${folder} is a file.`);
    const writable = await access(folder, constants.W_OK).then(
      () => true,
      () => false,
    );
    if (writable) return;
    throw new SleapRtcError('USAGE', `The output folder ${path} cannot be written to.`, {
      remedy: 'Give another folder with -o.',
    });
  }
}
