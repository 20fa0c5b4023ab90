/** Prints the end of a test run of several mocha processes: the slowest tests and files, the skipped tests, and the counts. */
import { type Result, readResults } from './results.ts';

const SLOWEST = 10;

const folder = process.argv[2];
if (folder === undefined) throw new Error('usage: summary.ts FOLDER');
const { lines, crashed } = await readResults(folder);
const tests = lines.filter(({ kind }) => kind === 'test');
const inState = (state: Result['state']): Result[] => lines.filter((line) => line.state === state);

printSlowest(
  'tests',
  tests.map(({ title, file, ms }) => [ms, `${title} (${file})`] as const),
);
printSlowest(
  'set-ups',
  lines.filter(({ kind }) => kind === 'hook').map(({ title, file, ms }) => [ms, `${title} (${file})`] as const),
);
const perFile = Map.groupBy(lines, ({ file }) => file);
printSlowest(
  'files',
  [...perFile].map(([file, its]) => [its.reduce((sum, { ms }) => sum + ms, 0), file] as const),
);
printTitles('left out', inState('pending'));
printTitles('failed', inState('failed'));
const failed = inState('failed').length + crashed;
const passed = tests.filter(({ state }) => state === 'passed').length;
print(`\n${passed} passed, ${inState('pending').length} left out, ${failed} failed`);

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function printSlowest(what: string, timed: readonly (readonly [number, string])[]): void {
  print(`\nThe slowest ${what}:`);
  const slowest = timed.toSorted(([one], [other]) => other - one).slice(0, SLOWEST);
  for (const [ms, name] of slowest) print(`${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`);
}

function printTitles(what: string, results: readonly Result[]): void {
  if (results.length === 0) return;
  print(`\nTests ${what}:`);
  for (const { title, file } of results) print(`  - ${title} (${file})`);
}
