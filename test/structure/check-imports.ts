/** `npm run check:imports`: the rules of `.dependency-cruiser.cjs`, and that no two folders import each other. */
import { readdirSync } from 'node:fs';
import { cruise, format, type ICruiseResult } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import { folderCycles } from './folder-cycles.ts';

const FOLDERS = [
  'protocol',
  'storage',
  'labels',
  'transport',
  'workflows',
  'activities',
  'workers',
  'signaling',
  'cli',
  'dashboard',
  'stack',
  'test',
  'bench',
];

/** Tests beside the code import whatever they test with; the folders of `test/` and `bench/` are tested like any other. */
const BESIDE_CODE = /^(?!test\/|bench\/).*(\.test\.ts$|\/testing\/)/;

const present = new Set(readdirSync('.'));
const { output } = await cruise(
  FOLDERS.filter((folder) => present.has(folder)),
  await extractDepcruiseOptions('./.dependency-cruiser.cjs'),
);
if (typeof output === 'string') throw new Error('dependency-cruiser returned text instead of its result');

const rules = await format(output, { outputType: 'err' });
const cycles = folderCycles(importsOf(output));
const report = cycles.map(
  ({ parent, imports }) =>
    `  folders${parent && ` of ${parent}`} import each other:\n${imports.map(({ from, to }) => `    ${from} → ${to}\n`).join('')}`,
);
process.stdout.write(`${String(rules.output)}${report.join('')}`);
if (rules.exitCode > 0 || cycles.length > 0) process.exitCode = 1;

function importsOf({ modules }: ICruiseResult) {
  const ours = (path: string) => FOLDERS.some((folder) => path.startsWith(`${folder}/`)) && !BESIDE_CODE.test(path);
  return modules
    .filter(({ source }) => ours(source))
    .flatMap(({ source, dependencies }) => dependencies.map(({ resolved }) => ({ from: source, to: resolved })))
    .filter(({ to }) => ours(to));
}
