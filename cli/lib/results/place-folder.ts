import { access, constants, mkdir, rename, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';

/**
 * Moves a finished folder into another folder. If its name is taken there, it gets the name `name-2`, `name-3`…, so that nothing is
 * overwritten. Both folders must be on the same file system.
 * @returns its new path
 */
export async function placeFolder(finished: string, parent: string, name: string): Promise<string> {
  await mkdir(parent, { recursive: true });
  for (let number = 1; ; number++) {
    const target = join(parent, number === 1 ? name : `${name}-${number}`);
    try {
      // Creating the folder reserves the name, even if another process tries at the same time.
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
    // Windows does not rename onto a folder, even if it is empty.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EPERM' && code !== 'EEXIST' && code !== 'EACCES') throw error;
    await rmdir(emptyFolder);
    await rename(finished, emptyFolder);
  }
}

/**
 * Checks that results can be written to a folder, without creating it.
 * @throws SleapRtcError USAGE if they cannot
 */
export async function checkOutputFolder(path: string): Promise<void> {
  for (let folder = resolve(path); ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found === undefined && dirname(folder) !== folder) continue;
    if (!found?.isDirectory())
      throw new SleapRtcError('USAGE', `The output folder ${path} cannot be created: ${folder} is a file.`);
    const writable = await access(folder, constants.W_OK).then(
      () => true,
      () => false,
    );
    if (writable) return;
    throw new SleapRtcError('USAGE', `The output folder ${path} is not writable.`, {
      remedy: 'Choose another folder with --output.',
    });
  }
}
