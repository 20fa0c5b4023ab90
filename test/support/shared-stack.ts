import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureTools, type Stack, startStack, type Tools } from '../../stack/index.ts';

/** A running stack with the real parts, and the tools that it is made of. */
export interface TestStack {
  stack: Stack;
  tools: Tools;
  /** A folder for the files of tests; removed at the end. */
  dir: string;
}

let started: Promise<TestStack> | undefined;

/** The stack that all end-to-end tests of a mocha process share; each test makes its own rooms in it. */
export function sharedStack(): Promise<TestStack> {
  started ??= start();
  return started;
}

async function start(): Promise<TestStack> {
  const tools = await ensureTools();
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-e2e-'));
  return { stack: await startStack({ dir, tools }), tools, dir };
}

// A root hook: it runs once, after the last test of the process.
after(async function () {
  this.timeout(60_000);
  if (started === undefined) return;
  const { stack, dir } = await started;
  await stack.stop();
  await rm(dir, { recursive: true, force: true });
});
