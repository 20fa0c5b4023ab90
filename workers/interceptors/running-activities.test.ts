import assert from 'node:assert/strict';
import { environmentWith } from '../../activities/testing/activity-environment.ts';
import { type EndedActivity, RunningActivities } from './running-activities.ts';

const never = new AbortController().signal;

describe('the work on a worker', () => {
  it('is over only when every activity has stopped, so that no two workers have a job', async () => {
    const ended: EndedActivity[] = [];
    const work = new RunningActivities((end) => ended.push(end));
    await work.whenQuiet(never);
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const run = (activityType: string, promise: Promise<void>, args: object) =>
      environmentWith([work], { activityType }).run((_args: object) => promise, args);
    const running = [
      run('train', first.promise, { input: { spec: { job_id: 'job1' } } }),
      run('upload', second.promise, {}),
    ];
    let quiet = false;
    const whenQuiet = work.whenQuiet(never).then(() => {
      quiet = true;
    });
    first.reject(new Error('evicted'));
    await assert.rejects(running[0] ?? Promise.resolve());
    assert.equal(quiet, false);
    second.resolve();
    await Promise.all([running[1], whenQuiet]);
    assert.deepEqual(
      ended.map(({ activity, jobId, error }) => [activity, jobId, error instanceof Error]),
      [
        ['train', 'job1', true],
        ['upload', undefined, false],
      ],
    );
  });
});
