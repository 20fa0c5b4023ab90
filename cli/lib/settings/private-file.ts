import { chmod, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';

/** Only the owner may read a file that contains tokens. */
const OWNER_ONLY = 0o600;
const OWNER_ONLY_FOLDER = 0o700;

/** Reads a JSON file. Returns undefined if it does not exist. @throws SleapRtcError USAGE if it is damaged or cannot be read */
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
    // The parser's message may quote a token, so it is left out.
    throw new SleapRtcError('USAGE', `The file ${path} is not valid JSON.`, {
      remedy: 'Correct the file, or delete it and join the room again with `sleap-rtc rooms join`.',
    });
  }
}

/** Writes a JSON file atomically. Only its owner can read it (mode 0600, folder 0700). */
export async function writePrivateJson(path: string, value: unknown): Promise<void> {
  const { default: writeFileAtomic } = await import('write-file-atomic');
  await mkdir(dirname(path), { recursive: true, mode: OWNER_ONLY_FOLDER });
  await writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`, { mode: OWNER_ONLY });
  // The atomic write copies the mode of the file that it replaces.
  await chmod(path, OWNER_ONLY);
}
