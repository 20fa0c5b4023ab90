import assert from 'node:assert/strict';
import { SleapRtcError } from '../../protocol/errors.ts';
import { findPython } from './python.ts';

describe('findPython', () => {
  const before = process.env.SLEAP_RTC_PYTHON;
  afterEach(() => {
    if (before === undefined) delete process.env.SLEAP_RTC_PYTHON;
    else process.env.SLEAP_RTC_PYTHON = before;
  });

  it('finds one that can run sleap-nn', async () => {
    assert.match(await findPython(), /^\//);
  });

  it('names the versions that fit and how to choose another one if the chosen one does not exist', async () => {
    process.env.SLEAP_RTC_PYTHON = process.execPath;
    await assert.rejects(findPython(), (error: unknown) => {
      assert(error instanceof SleapRtcError);
      assert.match(error.message, /Python 3\.11 or newer/);
      assert.match(error.remedy, /SLEAP_RTC_PYTHON/);
      return true;
    });
  });
});
