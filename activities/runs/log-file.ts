import { appendFile, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/** How much of a log's end is read to explain a failure, in bytes; a traceback is a few kB. */
const TAIL_BYTES = 64 * 1024;

/** Opens a log for another attempt: makes its folder, writes a line of our own, and tells where the attempt's part begins. */
export async function beginLog(file: string, line: string): Promise<number> {
  await mkdir(dirname(file), { recursive: true });
  await appendFile(file, `${line}\n`);
  return (await stat(file)).size;
}

/** The end of a log, from `offset` bytes on at most. */
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
