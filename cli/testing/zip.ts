import { writeFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { ZipFile } from 'yazl';

/** A file to put into a test's archive. */
export interface ZipMember {
  name: string;
  content: Buffer | string;
  /** Unix mode with the type bits, e.g. 0o120777 for a link. */
  mode?: number;
  compress?: boolean;
}

/** Writes a zip whose names and modes may be as bad as the test wants: yazl refuses bad names, so they are put in afterwards. */
export async function writeZip(
  path: string,
  members: ZipMember[],
  alter: (zip: Buffer) => Buffer = (zip) => zip,
): Promise<string> {
  const zip = new ZipFile();
  members.forEach(({ name, content, mode, compress = true }, index) => {
    zip.addBuffer(Buffer.from(content), placeholder(name, index), {
      compress,
      mtime: new Date(2026, 0, 1),
      ...(mode === undefined ? {} : { mode }),
    });
  });
  zip.end();
  let bytes: Buffer = await buffer(zip.outputStream as unknown as NodeJS.ReadableStream);
  members.forEach(({ name }, index) => {
    bytes = replaceAll(bytes, Buffer.from(placeholder(name, index)), Buffer.from(name));
  });
  await writeFile(path, alter(bytes));
  return path;
}

/** Of the same length in bytes, so that nothing moves; distinct by its index. */
function placeholder(name: string, index: number): string {
  const length = Buffer.byteLength(name);
  const letters = `${String.fromCharCode(0x41 + (index % 26))}${String.fromCharCode(0x41 + Math.floor(index / 26))}`;
  return letters.padEnd(length, '\u005f').slice(0, Math.max(length, 1));
}

function replaceAll(bytes: Buffer, from: Buffer, to: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  for (let at = changed.indexOf(from); at >= 0; at = changed.indexOf(from, at + to.length)) to.copy(changed, at);
  return changed;
}
