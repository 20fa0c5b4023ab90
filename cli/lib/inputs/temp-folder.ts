import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that lasts as long as its owner. */
export interface TempFolder {
  readonly path: string;
  /** Removes the folder. */
  close(): Promise<void>;
}

/** Makes a temporary folder. It is removed when it is closed, or when the process ends before that (a second Ctrl-C). */
export async function tempFolder(): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), 'sleap-rtc-'));
  const atExit = (): void => rmSync(path, { recursive: true, force: true });
  process.once('exit', atExit);
  return {
    path,
    close: async () => {
      process.off('exit', atExit);
      await rm(path, { recursive: true, force: true });
    },
  };
}
