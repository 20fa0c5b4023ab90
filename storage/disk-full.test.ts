import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { SleapRtcError } from '../protocol/errors.ts';
import { diskFullOrWithSizes } from './disk-full.ts';

describe('a full disk', () => {
  it('is reported with its sizes, whichever call failed', async () => {
    const noticed = [
      Object.assign(new Error('write'), { code: 'ENOSPC' }),
      new SleapRtcError('DISK_FULL', 'sleap-nn found the disk full.'),
    ];
    for (const error of noticed) {
      const reported = await diskFullOrWithSizes(error, tmpdir());
      assert.ok(reported instanceof SleapRtcError);
      assert.equal(reported.code, 'DISK_FULL');
      assert.match(reported.message, /[\d.]+ GB of [\d.]+ GB are left/);
    }
  });

  it('is reported unchanged if the message names sizes already', async () => {
    const known = new SleapRtcError('DISK_FULL', '500.0 MB are needed, but only 10.0 MB are free.');
    assert.equal(await diskFullOrWithSizes(known, tmpdir()), known);
  });

  it('is not reported for other errors', async () => {
    const other = new SleapRtcError('CONFIG_REFUSED', 'no');
    assert.equal(await diskFullOrWithSizes(other, tmpdir()), other);
  });
});
