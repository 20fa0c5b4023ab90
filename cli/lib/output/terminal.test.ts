import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fields, table } from './table.ts';
import { oneLine, printable } from './terminal.ts';

/** What no terminal may get from others. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

describe('text of others on a terminal', () => {
  it('is shown, not obeyed: escape sequences, C1, text in the other direction, a carriage return', () => {
    assert.equal(printable('\u001b]0;pwned\u0007'), '\\u001b]0;pwned\\u0007');
    assert.equal(printable('\u009b2J'), '\\u009b2J');
    assert.equal(printable('\u202egpj.exe\u2066'), '\\u202egpj.exe\\u2066');
    assert.equal(printable('fine\rError'), 'fine\\u000dError');
    assert.equal(printable('\u{e0041}'), '\\udb40\\udc41');
    assert.equal(printable('line\n\tline'), 'line\n\tline');
    assert.equal(oneLine('name\nError: forged'), 'name\\u000aError: forged');
  });

  it('stays as it is otherwise, in every script', () => {
    for (const text of ['flies.pkg.slp', 'Mäuse №1', 'मक्षिका', '蝇', '👩‍🔬', 'می‌خواهم', 'C:\\data'])
      assert.equal(printable(text), text);
  });

  it('law: nothing that a terminal obeys is left, and JSON means the same as before', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.doesNotMatch(printable(text), OBEYED);
        assert.deepEqual(JSON.parse(printable(JSON.stringify({ text }, null, 2))), { text });
      }),
      { numRuns: 2000 },
    );
  });

  it('looks neither like another row of a table nor like another field', () => {
    assert.equal(table(['NAME', 'BY'], [['a\nb', 'me']]).split('\n').length, 2);
    assert.match(fields([['Notes', 'fine\nError: no']]), /^Notes: {2}fine\n {8}Error: no$/);
  });
});
