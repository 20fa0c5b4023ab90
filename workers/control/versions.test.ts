import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { z } from 'zod';
import type { JobStatus } from '../../protocol/jobs/job.ts';
import { FakeWorker } from '../../test/workflows/fake-worker.ts';
import { trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { startTestS3, type TestS3 } from '../../test/workflows/s3.ts';
import { type DevServer, devServer } from '../../test/workflows/servers.ts';
import { trainingJobsOn } from '../../test/workflows/training-jobs.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));
const Version = z.object({ event: z.literal('version'), current: z.string() });

describe('two releases of the control worker side by side', function () {
  this.timeout(120_000);
  let server: DevServer;
  let storage: TestS3;
  const stops: (() => Promise<unknown>)[] = [];

  before(async () => {
    [server, storage] = await Promise.all([devServer(), startTestS3()]);
  });
  after(async () => {
    await Promise.all(stops.map((stop) => stop()));
    await Promise.all([server?.stop(), storage?.stop()]);
  });

  /** Starts a release as a process. @returns the build id that new jobs start on, as it logs, and its end */
  async function release(buildId: string): Promise<{ current: string; stop: () => Promise<void> }> {
    const env = { ...storage.env, TEMPORAL_ADDRESS: server.env.address, SLEAP_RTC_BUILD_ID: buildId };
    const child = execa(process.execPath, [MAIN], { env, reject: false });
    const stop = async () => {
      child.kill('SIGTERM');
      assert.equal((await child).exitCode, 0);
    };
    stops.push(stop);
    for await (const line of createInterface({ input: child.stdout })) {
      const version = Version.safeParse(JSON.parse(line));
      if (version.success) return { current: version.data.current, stop };
    }
    throw new Error(`build ${buildId} ended: ${(await child).stderr}`);
  }

  const { start } = trainingJobsOn(() => server.env);
  const buildOf = async (workflowId: string) => {
    const { raw } = await server.env.client.workflow.getHandle(workflowId).describe();
    return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId;
  };

  it('a running job ends on the release that it began on, new jobs begin on the new one, and a restart of the old one does not change that', async () => {
    const room = 'upgraded';
    const goOn = Promise.withResolvers<void>();
    const training = Promise.withResolvers<void>();
    let trainings = 0;
    const worker = await FakeWorker.start(server.env, {
      room,
      slots: 2,
      overrides: (self) => ({
        train: async ({ input, run_index }) => {
          trainings += 1;
          if (trainings === 1) {
            training.resolve();
            await self.workUntil(goOn.promise);
          }
          return trainedModel(input, run_index);
        },
      }),
    });
    stops.push(() => worker.stop());

    const old = await release('one');
    assert.equal(old.current, 'one');
    const running = await start(trainingInput({ room }));
    await training.promise;

    assert.equal((await release('two')).current, 'two');
    const next = await start(trainingInput({ room }));
    assert.equal((await next.result()).phase, 'done');
    assert.equal(await buildOf(next.workflowId), 'two');

    await old.stop();
    const again = await release('one');
    assert.equal(again.current, 'two', 'a restart of the old release takes nothing back');
    goOn.resolve();
    const status: JobStatus = await running.result();
    assert.equal(status.phase, 'done');
    assert.equal(await buildOf(running.workflowId), 'one');
  });
});
