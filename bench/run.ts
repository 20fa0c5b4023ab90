/** `npm run -s bench -- NAME [--json] [--runs N] [--only PATTERN]`: runs one benchmark and prints its rows. */
import { cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import type { BenchmarkContext, Row } from './benchmark.ts';
import { benchmarkJob } from './job.ts';
import { benchmarkPaths } from './paths.ts';
import { benchmarkResubmit } from './resubmit.ts';
import { benchmarkTransfer } from './transfer.ts';

/** Each with its default number of runs. */
const benchmarks: Record<string, { measure: (context: BenchmarkContext) => Promise<Row>; runs: number }> = {
  job: { measure: benchmarkJob, runs: 5 },
  paths: { measure: benchmarkPaths, runs: 3 },
  resubmit: { measure: benchmarkResubmit, runs: 3 },
  transfer: { measure: benchmarkTransfer, runs: 3 },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string' },
    only: { type: 'string', default: '' },
  },
});
const benchmark = benchmarks[positionals[0] ?? ''];
if (benchmark === undefined) {
  process.stderr.write(`Which one? ${Object.keys(benchmarks).join(', ')}\n`);
  process.exitCode = 2;
} else {
  const rows: Row[] = [];
  const print = (row: Row) => {
    rows.push(row);
    if (values.json) process.stdout.write(`${JSON.stringify(row)}\n`);
  };
  const summary = await benchmark.measure({
    runs: Number(values.runs ?? benchmark.runs),
    only: new RegExp(values.only),
    row: print,
    say: (line) => process.stderr.write(`${line}\n`),
  });
  print(machine());
  print({ ...summary, name: 'summary' });
  // biome-ignore lint/suspicious/noConsole: a table for people is what console.table is for
  if (!values.json) console.table(rows);
}

function machine(): Row {
  return {
    name: 'machine',
    node: process.version,
    cpus: cpus().length,
    cpu: cpus()[0]?.model ?? '',
    memory_gb: Math.round(totalmem() / 1e9),
    load_1min: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}
