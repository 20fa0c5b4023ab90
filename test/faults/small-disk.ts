import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';

/** Mounts a disk of a given size on a folder; needs root. @returns a function that unmounts it */
export async function mountSmallDisk(folder: string, bytes: number): Promise<() => Promise<void>> {
  await mkdir(folder, { recursive: true });
  await execa('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder]);
  return async () => {
    await execa('umount', ['--lazy', folder]);
  };
}

/** Why this machine cannot have a small disk; undefined if it can. */
export async function noSmallDisk(): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'sleap-rtc-disk-'));
  try {
    const unmount = await mountSmallDisk(folder, 4096);
    await unmount();
    return undefined;
  } catch {
    return 'only root may mount a small disk';
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
