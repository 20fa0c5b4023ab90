import assert from 'node:assert/strict';
import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { SleapRtcError } from '../errors.ts';
import { fromFailure, isCancelled, toApplicationFailure } from './failures.ts';

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

  it('lets the server retry only errors that a retry can fix', () => {
    assert.equal(toApplicationFailure(new SleapRtcError('PEER_GONE', 'x')).nonRetryable, false);
    assert.equal(toApplicationFailure(new SleapRtcError('GPU_OUT_OF_MEMORY', 'x')).nonRetryable, true);
    assert.equal(toApplicationFailure(new Error('a bug')).type, 'INTERNAL');
  });

  it('asks a busy GPU again soon, however often it was busy', () => {
    assert.notEqual(toApplicationFailure(new SleapRtcError('GPU_BUSY', 'x')).nextRetryDelay, undefined);
    assert.equal(toApplicationFailure(new SleapRtcError('PEER_GONE', 'x')).nextRetryDelay, undefined);
  });

  it('reports a missed heartbeat as a lost worker', () => {
    const failure = activityFailure(new TimeoutFailure('timed out', undefined, 'HEARTBEAT'));
    assert.equal(fromFailure(failure).code, 'WORKER_LOST');
  });

  it('prefers the last known error to the timeout that ended the retries', () => {
    const last = ApplicationFailure.create({ type: 'STORAGE_UNREACHABLE', message: 'S3 is away.' });
    const timeout = Object.assign(new TimeoutFailure('timed out', undefined, 'SCHEDULE_TO_CLOSE'), { cause: last });
    assert.equal(fromFailure(activityFailure(timeout)).code, 'STORAGE_UNREACHABLE');
  });

  it('recognises a cancellation, and does not report it as a failure', () => {
    const failure = activityFailure(new CancelledFailure('cancelled'));
    assert.equal(fromFailure(failure).code, 'JOB_CANCELLED');
    assert.equal(isCancelled(failure), true);
    assert.equal(isCancelled(activityFailure(new Error('x'))), false);
  });

  it('reports that an admin has terminated the job, and why', () => {
    const failure = new Error('Workflow execution failed', { cause: new TerminatedFailure('out of hours') });
    const { code, message } = fromFailure(failure);
    assert.deepEqual([code, message], ['JOB_CANCELLED', 'The job was terminated: out of hours']);
  });

  it('makes an unknown type INTERNAL and preserves its sentence', () => {
    const error = fromFailure(
      activityFailure(ApplicationFailure.create({ type: 'TypeError', message: 'x is undefined' })),
    );
    assert.equal(error.code, 'INTERNAL');
    assert.equal(error.message, 'x is undefined');
  });
});
