import assert from 'node:assert/strict';
import { ActivityFailure, ApplicationFailure, CancelledFailure, TimeoutFailure } from '@temporalio/common';
import { SleapRtcError } from '../protocol/errors.ts';
import { fromFailure, isCancelled, toApplicationFailure, wrapActivities } from './failures.ts';

/** As the SDK gives an activity's failure to a workflow. */
function activityFailure(cause: Error): ActivityFailure {
  return new ActivityFailure('Activity task failed', 'train', '1', 'MAXIMUM_ATTEMPTS_REACHED', undefined, cause);
}

describe('failures', () => {
  it('carries code, sentence and remedy through Temporal and back', () => {
    const error = new SleapRtcError('CONFIG_REFUSED', 'trainer_config.max_epochs must be positive.', {
      remedy: 'Fix it.',
    });
    const back = fromFailure(activityFailure(toApplicationFailure(error)));
    assert.equal(back.code, 'CONFIG_REFUSED');
    assert.equal(back.message, error.message);
    assert.equal(back.remedy, 'Fix it.');
  });

  it('lets the server retry what a retry can cure, and nothing else', () => {
    assert.equal(toApplicationFailure(new SleapRtcError('PEER_GONE', 'x')).nonRetryable, false);
    assert.equal(toApplicationFailure(new SleapRtcError('GPU_OUT_OF_MEMORY', 'x')).nonRetryable, true);
    assert.equal(toApplicationFailure(new Error('a bug')).type, 'INTERNAL');
  });

  it('asks a busy GPU again soon, however often it was busy', () => {
    assert.notEqual(toApplicationFailure(new SleapRtcError('GPU_BUSY', 'x')).nextRetryDelay, undefined);
    assert.equal(toApplicationFailure(new SleapRtcError('PEER_GONE', 'x')).nextRetryDelay, undefined);
  });

  it('reads a dead pod from a missed heartbeat', () => {
    const failure = activityFailure(new TimeoutFailure('timed out', undefined, 'HEARTBEAT'));
    assert.equal(fromFailure(failure).code, 'POD_LOST');
  });

  it('prefers the last known error to the time-out that ended the retries', () => {
    const last = ApplicationFailure.create({ type: 'STORAGE_UNREACHABLE', message: 'S3 is away.' });
    const timeout = Object.assign(new TimeoutFailure('timed out', undefined, 'SCHEDULE_TO_CLOSE'), { cause: last });
    assert.equal(fromFailure(activityFailure(timeout)).code, 'STORAGE_UNREACHABLE');
  });

  it('reads a cancellation, and tells it from a failure', () => {
    const failure = activityFailure(new CancelledFailure('cancelled'));
    assert.equal(fromFailure(failure).code, 'JOB_CANCELLED');
    assert.equal(isCancelled(failure), true);
    assert.equal(isCancelled(activityFailure(new Error('x'))), false);
  });

  it('makes an unknown type INTERNAL and keeps its sentence', () => {
    const error = fromFailure(
      activityFailure(ApplicationFailure.create({ type: 'TypeError', message: 'x is undefined' })),
    );
    assert.equal(error.code, 'INTERNAL');
    assert.equal(error.message, 'x is undefined');
  });

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
});
