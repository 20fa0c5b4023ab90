import { appendFile, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** How much of a log's end is read to explain a failure, in bytes. A traceback has a few kB. */
const TAIL_BYTES = 64 * 1024;

/**
 * Begins an attempt's part of a log: makes the folder and writes a first line.
 * @returns the offset at which sleap-nn's output begins
 */
export async function beginLog(file: string, line: string): Promise<number> {
  await mkdir(dirname(file), { recursive: true });
  await appendFile(file, `${line}\n`);
  return (await stat(file)).size;
}

/** The end of a log, but nothing before `offset`, in bytes. */
export async function readLogTail(file: string, offset: number): Promise<string> {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const start = Math.max(offset, size - TAIL_BYTES);
    const buffer = Buffer.alloc(Math.max(0, size - start));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, start);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
