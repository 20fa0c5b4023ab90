import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder that lasts as long as its owner. */
export interface TempFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a temporary folder; it is removed when disposed, and also when the process ends first (a second Ctrl-C). */
export async function tempFolder(): Promise<TempFolder> {
  const path = await mkdtemp(join(tmpdir(), 'sleap-rtc-'));
  const atExit = (): void => rmSync(path, { recursive: true, force: true });
  process.once('exit', atExit);
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      process.off('exit', atExit);
      await rm(path, { recursive: true, force: true });
    },
  };
}
