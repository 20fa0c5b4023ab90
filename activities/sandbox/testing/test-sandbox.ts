import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { openSandbox, type Sandbox } from '../index.ts';

/** The sandbox that a worker has on this machine: none if the machine cannot isolate. */
export async function testSandbox({ python, workDir }: { python: string; workDir: string }): Promise<Sandbox> {
  await mkdir(join(workDir, 'jobs'), { recursive: true });
  const logger = pino({ level: 'silent' });
  return (await openSandbox({ mode: 'auto', python, workDir, hasGpu: false, logger })).sandbox;
}
