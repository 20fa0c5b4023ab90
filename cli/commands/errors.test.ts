import assert from 'node:assert/strict';
import { ERROR_CODES, errorKind } from '../../protocol/errors.ts';
import { TestHome } from '../testing/run-cli.ts';
import { COMMANDS } from './index.ts';

/** The commands of ours that the remedies tell the researcher to run, without arguments. */
const COMMAND_LINES = new Set(
  ERROR_CODES.flatMap((code) =>
    [...errorKind(code).remedy.matchAll(/`sleap-rtc ([^`]+)`/g)].map(([, line = '']) => line),
  ),
);
const FLAGS = new Set(ERROR_CODES.flatMap((code) => errorKind(code).remedy.match(/--[a-z-]+/g) ?? []));

describe('every remedy', () => {
  let home: TestHome;
  before(async () => {
    home = await TestHome.make();
  });
  after(() => home[Symbol.asyncDispose]());

  for (const line of COMMAND_LINES) {
    it(`names a command that exists: ${line}`, async () => {
      const { exitCode, stdout } = await home.run(...line.split(' '), '--help');
      assert.equal(exitCode, 0);
      assert.match(stdout, new RegExp(`\\$ sleap-rtc ${line}`));
    });
  }

  it('names flags that exist', () => {
    const known = Object.values(COMMANDS).flatMap(({ flags, baseFlags }) => Object.keys({ ...flags, ...baseFlags }));
    for (const flag of FLAGS) assert.ok(['help', 'json', ...known].includes(flag.slice(2)), flag);
  });
});
