import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { withFolder } from '../../stack/testing/with-folder.ts';

const SUMMARY = join(import.meta.dirname, 'summary.ts');

describe('the end of a test run', () => {
  it('names the skipped, failed and slowest tests, and counts those of all processes', () =>
    withFolder(async (dir) => {
      const test = (state: string, title: string, ms: number) => ({
        kind: 'test',
        state,
        file: 'a.test.ts',
        title,
        ms,
      });
      await writeResults(dir, 'one', [test('passed', 'trains', 2_000), test('pending', 'relays', 0)]);
      await writeResults(dir, 'two', [test('passed', 'sends', 1_000), test('failed', 'pauses', 5)]);
      const lines = await summary(dir);
      assert.ok(lines.indexOf('    2.0 s  trains (a.test.ts)') < lines.indexOf('    1.0 s  sends (a.test.ts)'));
      assert.deepEqual(lines.slice(-7), [
        'Tests left out:',
        '  - relays (a.test.ts)',
        '',
        'Tests failed:',
        '  - pauses (a.test.ts)',
        '',
        '2 passed, 1 left out, 1 failed',
      ]);
    }));

  it('counts a process that ended before its tests did as a failure', () =>
    withFolder(async (dir) => {
      await writeFile(join(dir, 'killed.jsonl'), '{"kind":"start"}\n');
      assert.equal((await summary(dir)).at(-1), '0 passed, 0 left out, 1 failed');
    }));
});

async function writeResults(dir: string, name: string, results: readonly object[]): Promise<void> {
  const lines = [{ kind: 'start' }, ...results, { kind: 'end' }].map((line) => `${JSON.stringify(line)}\n`);
  await writeFile(join(dir, `${name}.jsonl`), lines.join(''));
}

async function summary(dir: string): Promise<string[]> {
  const { stdout } = await execa(process.execPath, ['--disable-warning=ExperimentalWarning', SUMMARY, dir]);
  return stdout.split('\n');
}
