import assert from 'node:assert/strict';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { SleapRtcError } from '../protocol/errors.ts';
import { wrapActivities } from './wrap-activities.ts';

describe('wrapActivities', () => {
  const cancelled = new CancelledFailure('cancelled');
  const activities = wrapActivities({
    refuse: async (name: string) => Promise.reject(new SleapRtcError('LABELS_CORRUPT', `${name} is damaged.`)),
    stop: async () => Promise.reject(new SleapRtcError('TRANSFER_FAILED', 'stopped', { cause: cancelled })),
    pass: async (n: number) => n + 1,
  });

  it('keeps results and arguments', async () => assert.equal(await activities.pass(1), 2));

  it('turns our errors into failures', async () => {
    await assert.rejects(activities.refuse('a.slp'), (error: unknown) => {
      assert.ok(error instanceof ApplicationFailure);
      assert.equal(error.type, 'LABELS_CORRUPT');
      assert.equal(error.message, 'a.slp is damaged.');
      return true;
    });
  });

  it('passes on a better explanation of an error, where there is one', async () => {
    const explained = wrapActivities(
      { write: async () => Promise.reject(new Error('ENOSPC')) },
      async () => new SleapRtcError('DISK_FULL', '0.01 GB of 100.00 GB are left.'),
    );
    await assert.rejects(explained.write(), { type: 'DISK_FULL', message: '0.01 GB of 100.00 GB are left.' });
  });

  it('lets a cancellation pass, also a wrapped one, so that the activity counts as cancelled', async () => {
    await assert.rejects(activities.stop(), (error: unknown) => error === cancelled);
  });
});
