import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import type { ModelType } from '../../protocol/models/sleap-config.ts';
import { trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { trainingJobsOnDevServer } from '../../test/workflows/training-jobs.ts';

/** Longer than a workflow takes to react to an event, also on a busy machine; in milliseconds. */
const APART_MS = 500;

describe('the history of a job without faults', function () {
  this.timeout(60_000);
  const { startWorker, start, statusOf } = trainingJobsOnDevServer();

  /** The most events that a job can have: no two of its steps end at the same time, which would save events. */
  async function mostEvents(room: string, modelTypes: ModelType[]): Promise<number> {
    const input = trainingInput({ room, modelTypes });
    const untilStaged = async () => {
      while ((await statusOf(job)).staging !== 'staged') await setTimeout(20);
    };
    await startWorker({
      room,
      overrides: (self) => ({
        runGpuSession: async (args) => {
          await self.occupySlot(args);
          await self.workUntil(setTimeout(APART_MS)); // after endGpuSession
        },
        train: async ({ run_index }) => {
          await self.workUntil(untilStaged());
          return trainedModel(input, run_index);
        },
      }),
    });
    const job = await start(input);
    assert.equal((await job.result()).phase, 'done');
    return (await job.fetchHistory()).events?.length ?? 0;
  }

  it('is short enough to read: at most 65 events, whatever the bytes, the epochs and the load', async () => {
    const events = await mostEvents('short', ['centroid']);
    assert.ok(events <= 65, `${events} events`);
  });

  it('has at most 90 events if two models are trained, each of which is published separately', async () => {
    const events = await mostEvents('two', ['centroid', 'centered_instance']);
    assert.ok(events <= 90, `${events} events`);
  });
});
