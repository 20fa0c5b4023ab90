import assert from 'node:assert/strict';
import { type EndedWork, RunningActivities } from './running-work.ts';

const never = new AbortController().signal;

describe('the work on a worker', () => {
  it('is over only when every activity has stopped, so that no two workers have a job', async () => {
    const ended: EndedWork[] = [];
    const work = new RunningActivities((end) => ended.push(end));
    await work.whenQuiet(never);
    const first = Promise.withResolvers<void>();
    const second = Promise.withResolvers<void>();
    const { train, upload } = work.track({
      train: (_args: object) => first.promise,
      upload: (_args: object) => second.promise,
    });
    const running = [train({ input: { spec: { job_id: 'job1' } } }), upload({})];
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
