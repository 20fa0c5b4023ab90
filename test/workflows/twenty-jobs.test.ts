import assert from 'node:assert/strict';
import { pino } from 'pino';
import type { ControlActivities } from '../../activities/contract.ts';
import { createApplyManifestChanges } from '../../activities/registry/apply-changes.ts';
import { Manifest } from '../../protocol/models/manifest.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { CONTROL_QUEUE, jobWorkflowId } from '../../protocol/temporal/queues.ts';
import type { trainingJob } from '../../workflows/index.ts';
import { textIn } from '../support/bucket.ts';
import { type FakeControl, startFakeControl } from './fake-control.ts';
import { FakeWorker } from './fake-worker.ts';
import { modelEntry, trainingInput } from './job-inputs.ts';
import { startTestS3, type TestS3 } from './s3.ts';
import { type DevServer, devServer } from './servers.ts';

const JOBS = 20;

/** If all trainings of a lab end in the same minute, the room must have all of the models. */
describe('20 jobs that publish at once, on real Temporal and S3', function () {
  this.timeout(120_000);
  const room = 'crowded';
  let server: DevServer;
  let storage: TestS3;
  let control: FakeControl;
  let worker: FakeWorker;
  let writes = 0;

  before(async () => {
    [server, storage] = await Promise.all([devServer(), startTestS3()]);
    const apply = createApplyManifestChanges({ bucket: storage.bucket, logger: pino({ level: 'silent' }) });
    const applyManifestChanges: ControlActivities['applyManifestChanges'] = (args) => {
      writes += 1;
      return apply(args);
    };
    control = await startFakeControl(server.env, { overrides: () => ({ applyManifestChanges }) });

    // All wait with their uploaded model until the last one has uploaded its own.
    const all = Promise.withResolvers<void>();
    let uploaded = 0;
    worker = await FakeWorker.start(server.env, {
      room,
      slots: JOBS,
      overrides: (self) => ({
        uploadModel: async ({ input, trained }) => {
          uploaded += 1;
          if (uploaded === JOBS) all.resolve();
          await self.workUntil(all.promise);
          return modelEntry(input, trained, self.name);
        },
      }),
    });
  });
  after(async () => {
    await worker?.stop();
    await control?.stop();
    await Promise.all([server?.stop(), storage?.stop()]);
  });

  it('lose no model, and share writes', async () => {
    const jobs = Array.from({ length: JOBS }, () => trainingInput({ room }));
    const results = await Promise.all(
      jobs.map((input) =>
        server.env.client.workflow.execute<typeof trainingJob>('trainingJob', {
          workflowId: jobWorkflowId(room, input.spec.job_id),
          taskQueue: CONTROL_QUEUE,
          args: [input],
        }),
      ),
    );
    const reported = results.flatMap(({ models }) => models.map(({ id }) => id));
    const manifest = Manifest.parse(JSON.parse(await textIn(storage.bucket, s3Layout.manifest(room))));
    assert.equal(reported.length, JOBS);
    assert.deepEqual(Object.keys(manifest.models).sort(), reported.sort());
    assert.ok(writes < JOBS, `${writes} writes for ${JOBS} jobs`);
  });
});
