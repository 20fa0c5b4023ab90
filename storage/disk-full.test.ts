import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { SleapRtcError } from '../protocol/errors.ts';
import { diskFullOrWithSizes } from './disk-full.ts';

describe('a full disk', () => {
  it('is told with its sizes, whoever noticed it', async () => {
    const noticed = [
      Object.assign(new Error('write'), { code: 'ENOSPC' }),
      new SleapRtcError('DISK_FULL', 'sleap-nn found the disk full.'),
    ];
    for (const error of noticed) {
      const told = await diskFullOrWithSizes(error, tmpdir());
      assert.ok(told instanceof SleapRtcError);
      assert.equal(told.code, 'DISK_FULL');
      assert.match(told.message, /[\d.]+ GB of [\d.]+ GB are left/);
    }
  });

  it('is told as it was where sizes are told already', async () => {
    const known = new SleapRtcError('DISK_FULL', '500.0 MB are needed, but only 10.0 MB are free.');
    assert.equal(await diskFullOrWithSizes(known, tmpdir()), known);
  });

  it('is no excuse for anything else', async () => {
    const other = new SleapRtcError('CONFIG_REFUSED', 'no');
    assert.equal(await diskFullOrWithSizes(other, tmpdir()), other);
  });
});
