import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';

/** Only the owner may read what holds tokens. */
const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

/** Reads a JSON file of ours; undefined where there is none. @throws SleapRtcError USAGE where it is damaged or may not be read */
export async function readPrivateJson(path: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SleapRtcError('USAGE', `The file ${path} cannot be read: ${(error as Error).message}.`, { cause: error });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's message may quote a token, so it is not passed on.
    throw new SleapRtcError('USAGE', `The file ${path} is not valid JSON.`, {
      remedy: 'Correct it, or delete it and join the room again with `sleap-rtc rooms join`.',
    });
  }
}

/** Writes a JSON file whole or not at all, readable by its owner only (mode 0600, folder 0700). */
export async function writePrivateJson(path: string, value: unknown): Promise<void> {
  const { default: writeFileAtomic } = await import('write-file-atomic');
  await mkdir(dirname(path), { recursive: true, mode: OWNER_ONLY_FOLDER });
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`, { mode: OWNER_ONLY });
  // An older file's mode is kept by the atomic write.
  await chmod(path, OWNER_ONLY);
}
