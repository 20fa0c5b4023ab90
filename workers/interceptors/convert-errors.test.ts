import assert from 'node:assert/strict';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { environmentWith } from '../../activities/testing/activity-environment.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { convertErrors } from './convert-errors.ts';

describe('the conversion of activities’ errors', () => {
  const cancelled = new CancelledFailure('cancelled');
  const environment = environmentWith([convertErrors()]);
  const activities = {
    refuse: async (name: string) => Promise.reject(new SleapRtcError('LABELS_CORRUPT', `${name} is damaged.`)),
    stop: async () => Promise.reject(new SleapRtcError('TRANSFER_FAILED', 'stopped', { cause: cancelled })),
    pass: async (n: number) => n + 1,
  };

  it('passes results and arguments on unchanged', async () =>
    assert.equal(await environment.run(activities.pass, 1), 2));

  it('turns our errors into failures', async () => {
    await assert.rejects(environment.run(activities.refuse, 'a.slp'), (error: unknown) => {
      assert.ok(error instanceof ApplicationFailure);
      assert.equal(error.type, 'LABELS_CORRUPT');
      assert.equal(error.message, 'a.slp is damaged.');
      return true;
    });
  });

  it('passes on a better explanation of an error, if there is one', async () => {
    const explained = environmentWith([
      convertErrors(async () => new SleapRtcError('DISK_FULL', '0.01 GB of 100.00 GB are left.')),
    ]);
    const write = async () => Promise.reject(new Error('ENOSPC'));
    await assert.rejects(explained.run(write), { type: 'DISK_FULL', message: '0.01 GB of 100.00 GB are left.' });
  });

  it('lets a cancellation pass, also a wrapped one, so that the activity counts as cancelled', async () => {
    await assert.rejects(environment.run(activities.stop), (error: unknown) => error === cancelled);
  });
});
