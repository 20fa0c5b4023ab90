/**
 * The tasks of `npm test`: the checks, and mocha processes, several at a time. Most tests wait for servers and processes most of
 * the time; those that run sleap-nn keep the CPU busy. The output of a task is printed when the task ends.
 */
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { matchesGlob } from 'node:path';
import { execa } from 'execa';
import { GROUPS } from './groups.ts';

/** Tasks at a time: one a core. With more, tests of how fast something is fail on two busy cores. */
const AT_ONCE = Number(process.env.SLEAP_RTC_TEST_PROCESSES ?? Math.max(2, availableParallelism()));

interface Task {
  name: string;
  command: string;
  args: readonly string[];
}

const tasks: Task[] = [{ name: 'check', command: 'npm', args: ['run', '--silent', 'check'] }, ...(await testTasks())];
let failed = false;

await Promise.all(Array.from({ length: AT_ONCE }, runInTurn));
process.exitCode = failed ? 1 : 0;

async function runInTurn(): Promise<void> {
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
    const startedMs = performance.now();
    const { all, exitCode } = await execa(task.command, task.args, { all: true, reject: false, stdin: 'ignore' });
    if (exitCode !== 0) failed = true;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    const outcome = exitCode === 0 ? 'passed' : `failed (exit code ${exitCode})`;
    process.stdout.write(`\n── ${task.name}: ${outcome} after ${seconds} s\n${all}\n`);
  }
}

/** Every test file belongs to the first group that has it. */
async function testTasks(): Promise<Task[]> {
  const filesOf = new Map(GROUPS.map((group) => [group, [] as string[]]));
  const exclude = (name: string): boolean => name === 'node_modules' || name.startsWith('.');
  for await (const file of glob('**/*.test.ts', { exclude })) {
    const group = GROUPS.find(({ patterns }) => patterns.some((pattern) => matchesGlob(file, pattern)));
    if (group === undefined) throw new Error(`${file} is in no group`);
    filesOf.get(group)?.push(file);
  }
  return [...filesOf].map(([{ name }, files]) => ({ name, command: 'mocha', args: files.sort() }));
}
