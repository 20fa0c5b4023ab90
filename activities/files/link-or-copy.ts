import { copyFile, link } from 'node:fs/promises';

/** Gives a file another name, without taking more room where the disk has hard links. Neither may be written to afterwards. */
export async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to));
}
