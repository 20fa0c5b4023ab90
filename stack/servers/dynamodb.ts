import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { startProcess } from '../processes/process.ts';
import type { ServerOptions } from './start-server.ts';

const readyLine = z.object({ event: z.literal('ready'), endpoint: z.url() });

/** The address of a DynamoDB stand-in. It accepts any credentials, and deletes nothing by TTL. */
export interface DynamoDbServer extends AsyncDisposable {
  endpoint: string;
  pid: number;
  stop(): Promise<void>;
}

/** Starts dynalite with its tables in `dir`. Its users create the tables. */
export async function startDynamoDb(options: ServerOptions): Promise<DynamoDbServer> {
  const dataDir = join(options.dir, 'dynamodb');
  await mkdir(dataDir, { recursive: true });
  const child = await startProcess({
    name: 'dynamodb',
    command: process.execPath,
    args: [
      '--disable-warning=ExperimentalWarning',
      fileURLToPath(new URL('dynamodb-main.ts', import.meta.url)),
      dataDir,
    ],
    dir: options.dir,
    ready: (line) => readyLine.safeParse(line).data?.endpoint,
    signal: options.signal,
  });
  const stop = (): Promise<void> => child.stop();
  return { endpoint: child.announced, pid: child.pid, stop, [Symbol.asyncDispose]: stop };
}
