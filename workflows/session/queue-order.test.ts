import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { sessionQueueOf } from '../../protocol/temporal/session-queues.ts';
import { trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { trainingJobsOnDevServer } from '../../test/workflows/training-jobs.ts';

/** Temporal's number for the kind of queue (`temporal.api.enums.v1.TaskQueueType`). */
const ACTIVITIES = 2;

describe('jobs that wait for the one busy worker', function () {
  this.timeout(60_000);
  const { server, startWorker, start } = trainingJobsOnDevServer();

  /** How many jobs wait on the room's queue, as the server counts them; it does so every 5 s. */
  async function waitingIn(room: string): Promise<number> {
    const described = await server().env.client.workflowService.describeTaskQueue({
      namespace: 'default',
      taskQueue: { name: sessionQueueOf(room, {}) },
      taskQueueType: ACTIVITIES,
      reportStats: true,
    });
    return Number(described.stats?.approximateBacklogCount ?? 0);
  }

  /**
   * Submits jobs one after the other while a worker is busy with another job, and then lets the worker go on.
   * @returns their names in the order in which they were trained
   */
  async function order(room: string, jobs: { name: string; user?: string; priority?: number }[]): Promise<string[]> {
    const training = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const trained: string[] = [];
    await startWorker({
      room,
      overrides: (self) => ({
        train: async ({ input, run_index }) => {
          trained.push(input.spec.name);
          if (trained.length === 1) {
            training.resolve();
            await self.workUntil(goOn.promise);
          }
          return trainedModel(input, run_index);
        },
      }),
    });
    const submit = ({ name, user = 'one', priority }: (typeof jobs)[number]) => {
      const input = trainingInput({ room, spec: { name, ...(priority === undefined ? {} : { priority }) } });
      input.context.user_id = user;
      return start(input);
    };
    const first = await submit({ name: 'first' });
    await training.promise;
    const waiting = [];
    for (const job of jobs) waiting.push(await submit(job));
    while ((await waitingIn(room)) < jobs.length) await setTimeout(100);
    goOn.resolve();
    for (const job of [first, ...waiting]) assert.equal((await job.result()).phase, 'done');
    return trained.slice(1);
  }

  it('start by their priority: an urgent job starts first, even if it was submitted last', async () => {
    const jobs = [{ name: 'usual' }, { name: 'whenever', priority: 5 }, { name: 'urgent', priority: 1 }];
    assert.deepEqual(await order('priorities', jobs), ['urgent', 'usual', 'whenever']);
  });

  it('let users take turns: a user’s five jobs do not all start before another user’s one', async () => {
    const five = ['a1', 'a2', 'a3', 'a4', 'a5'].map((name) => ({ name, user: 'eager' }));
    const trained = await order('users', [...five, { name: 'b1', user: 'modest' }]);
    assert.ok(trained.indexOf('b1') <= 2, trained.join(' '));
  });
});
