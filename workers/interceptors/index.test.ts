import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ActivityName } from '../../activities/contract.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { trainingInput } from '../../test/workflows/job-inputs.ts';
import { type EndedActivity, jobInterceptors, OrphanTakeover, RunningActivities } from './index.ts';

const signal = AbortSignal.timeout(10_000);

describe('the interceptors of a job’s activities', () => {
  const ended: EndedActivity[] = [];
  const running = new RunningActivities((activity) => ended.push(activity));
  const explain = () => new SleapRtcError('DISK_FULL', 'The disk is full.');
  const interceptors = jobInterceptors({ takeover: new OrphanTakeover(), running, explain }).activity ?? [];
  const environment = (activityType: ActivityName) =>
    new MockActivityEnvironment({ activityType }, { interceptors, logger: new DefaultLogger('ERROR', () => {}) });
  const { job_id } = trainingInput().spec;
  beforeEach(() => {
    ended.length = 0;
  });

  it('does not count endGpuSession, which waits for the others', async () => {
    const end = (_args: object) => running.whenQuiet(signal);
    await environment('endGpuSession').run(end, { session_id: randomUUID(), job_id });
    assert.deepEqual(ended, []);
  });

  it('does not blame the worker for an input that does not fit', async () => {
    const train = async (_args: object) => assert.fail('it was begun');
    await assert.rejects(environment('train').run(train, { run_index: 0 }), { type: 'INTERNAL', nonRetryable: true });
    assert.deepEqual(ended, []);
  });

  it('reports why the work of a job failed, as the workflow reads it', async () => {
    const receive = (_args: object) => Promise.reject(new Error('ENOSPC'));
    const args = { input: trainingInput() };
    await assert.rejects(environment('receiveDataset').run(receive, args), { type: 'DISK_FULL' });
    assert.deepEqual(
      ended.map(({ activity, jobId }) => [activity, jobId]),
      [['receiveDataset', args.input.spec.job_id]],
    );
  });
});
