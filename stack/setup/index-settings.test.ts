import assert from 'node:assert/strict';
import { parsePipConfig } from './index-settings.ts';

describe('parsePipConfig', () => {
  it('lets the environment win over the install section, and that over the global one, in any order', () => {
    const config = parsePipConfig(
      [
        "install.index-url='https://b.test/simple'",
        ":env:.index-url='https://c.test/simple'",
        "global.index-url='https://a.test/simple'",
      ].join('\n'),
    );
    assert.deepEqual(config.get('index-url'), ['https://c.test/simple']);
  });

  it('reads lists that are separated by blanks or by lines', () => {
    const config = parsePipConfig(
      `global.find-links='\\n/one\\n/two'\n:env:.extra-index-url='https://a.test https://b.test'`,
    );
    assert.deepEqual(config.get('find-links'), ['/one', '/two']);
    assert.deepEqual(config.get('extra-index-url'), ['https://a.test', 'https://b.test']);
  });

  it('ignores sections of other commands and lines that are none', () => {
    assert.deepEqual([...parsePipConfig("freeze.timeout='10'\nnonsense\n")], []);
  });
});
