import { appendFileSync, mkdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import Mocha from 'mocha';
import type { Line } from './results.ts';

/**
 * Mocha's own report, and one JSON line for each test and hook in a file of this process in the folder
 * `SLEAP_RTC_TEST_RESULTS`, from which `summary.ts` makes the end of a run of several processes.
 */
export default class Reporter extends Mocha.reporters.Spec {
  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    const folder = process.env.SLEAP_RTC_TEST_RESULTS;
    if (folder === undefined) return;
    mkdirSync(folder, { recursive: true });
    const path = join(folder, `${process.pid}.jsonl`);
    const write = (line: Line): void => appendFileSync(path, `${JSON.stringify(line)}\n`);
    const report = (kind: 'test' | 'hook', state: 'passed' | 'failed' | 'pending', it: Mocha.Runnable): void => {
      const file = it.file === undefined ? '' : relative(process.cwd(), it.file);
      write({ kind, state, file, title: it.titlePath().join(' › '), ms: it.duration ?? 0 });
    };
    const { constants } = Mocha.Runner;
    write({ kind: 'start' });
    runner.on(constants.EVENT_TEST_PASS, (test) => report('test', 'passed', test));
    runner.on(constants.EVENT_TEST_FAIL, (test) => report('test', 'failed', test));
    runner.on(constants.EVENT_TEST_PENDING, (test) => report('test', 'pending', test));
    runner.on(constants.EVENT_HOOK_END, (hook) => report('hook', 'passed', hook));
    runner.on(constants.EVENT_RUN_END, () => write({ kind: 'end' }));
  }
}
