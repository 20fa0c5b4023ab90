import assert from 'node:assert/strict';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ControlActivities } from '../../activities/contract.ts';
import { createRequestManifestChanges } from '../../activities/registry/request-changes.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { ManifestChange } from '../../protocol/models/manifest.ts';
import { roomRegistryWorkflowId } from '../../protocol/temporal/queues.ts';
import { type FakeControl, startFakeControl } from '../../test/workflows/fake-control.ts';
import { modelEntry, trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { devServerWithShortHistories, timeSkippingServer } from '../../test/workflows/servers.ts';
import type { RoomRegistryReport } from './room-registry.ts';

function publication(room: string): ManifestChange {
  const input = trainingInput({ room });
  const model = modelEntry(input, trainedModel(input, 0), 'worker-1');
  return { type: 'publish_model', change_id: `${input.spec.job_id}:${model.id}`, model };
}

describe('roomRegistry', function () {
  this.timeout(60_000);
  let env: TestWorkflowEnvironment;
  let control: FakeControl;
  /** Set by a test to delay the writes of its room. */
  const gates = new Map<string, Promise<void>>();
  const failures = new Map<string, SleapRtcError>();
  const overrides = ({ applyManifestChanges }: ControlActivities) => ({
    applyManifestChanges: async (args: Parameters<typeof applyManifestChanges>[0]) => {
      await gates.get(args.room_id);
      const failure = failures.get(args.room_id);
      if (failure !== undefined) throw failure;
      return applyManifestChanges(args);
    },
  });

  before(async () => {
    env = await timeSkippingServer();
    control = await startFakeControl(env, { overrides });
  });
  after(async () => {
    await control?.stop();
    await env?.teardown();
  });

  /** Retries, as Temporal does. The test server, unlike the real one, refuses one of two callers that start a workflow at once. */
  async function request(
    room_id: string,
    changes: ManifestChange[],
    reply_to?: { workflow_id: string },
  ): Promise<void> {
    const ask = () =>
      createRequestManifestChanges({ temporal: env.client })({ room_id, changes, ...(reply_to && { reply_to }) });
    await ask().catch((error: unknown) => {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return ask();
      throw error;
    });
  }
  const registry = (room: string) => env.client.workflow.getHandle(roomRegistryWorkflowId(room));
  const settled = async (room: string, until: (report: RoomRegistryReport) => boolean): Promise<RoomRegistryReport> => {
    for (;;) {
      const report = await registry(room).query<RoomRegistryReport>('registry');
      if (until(report)) return report;
    }
  };

  it('loses none of 20 publications at once, and writes together what arrives during a write', async () => {
    const gate = Promise.withResolvers<void>();
    gates.set('twenty', gate.promise);
    const changes = Array.from({ length: 20 }, () => publication('twenty'));
    await Promise.all(changes.map((change) => request('twenty', [change])));
    gate.resolve();
    const report = await settled('twenty', ({ changes: made }) => made === 20);
    const models = Object.keys(control.manifest('twenty').models);
    assert.deepEqual(models.sort(), changes.flatMap((c) => (c.type === 'publish_model' ? [c.model.id] : [])).sort());
    // The first write took what was there when the registry started; all others waited for it.
    assert.ok(report.writes <= 2, `${report.writes} writes`);
  });

  it('goes on if a requester has ended', async () => {
    await request('vanished', [publication('vanished')], { workflow_id: 'nobody' });
    await settled('vanished', ({ changes }) => changes === 1);
    await request('vanished', [publication('vanished')]);
    assert.equal((await settled('vanished', ({ changes }) => changes === 2)).writes, 2);
  });

  it('makes the other changes if one can’t be made', async () => {
    const bad: ManifestChange = { type: 'set_alias', change_id: 'bad', alias: 'x', model_id: 'ffffffff' };
    await request('mixed', [bad, publication('mixed')]);
    await settled('mixed', ({ changes }) => changes === 2);
    assert.equal(Object.keys(control.manifest('mixed').models).length, 1);
  });

  it('does not write the same change twice', async () => {
    const change = publication('again');
    await request('again', [change]);
    await settled('again', ({ changes }) => changes === 1);
    await request('again', [change]);
    await request('again', [publication('again')]);
    assert.equal((await settled('again', ({ changes }) => changes === 2)).writes, 2);
  });

  it('goes on after a write that failed for good', async () => {
    failures.set('failing', new SleapRtcError('NOT_ALLOWED', 'The bucket refuses.'));
    const change = publication('failing');
    await request('failing', [change]);
    await settled('failing', ({ writes }) => writes === 1);
    failures.delete('failing');
    await request('failing', [change]);
    await settled('failing', ({ writes }) => writes === 2);
    assert.equal(Object.keys(control.manifest('failing').models).length, 1);
  });
});

describe('roomRegistry that continues as new', function () {
  this.timeout(60_000);
  it('carries over the requests that wait and the changes that it has made', async () => {
    const env = await devServerWithShortHistories(40);
    const control = await startFakeControl(env);
    try {
      const request = createRequestManifestChanges({ temporal: env.client });
      const changes = Array.from({ length: 60 }, () => publication('long-lived'));
      await request({ room_id: 'long-lived', changes: changes.slice(0, 1) });
      const handle = env.client.workflow.getHandle(roomRegistryWorkflowId('long-lived'));
      const { runId } = await handle.describe();
      for (let i = 1; i < changes.length; i += 5) {
        await Promise.all(
          changes.slice(i, i + 5).map((change) => request({ room_id: 'long-lived', changes: [change] })),
        );
      }
      while (Object.keys(control.manifest('long-lived').models).length < changes.length) {
        await handle.query<RoomRegistryReport>('registry');
      }
      assert.notEqual((await handle.describe()).runId, runId);

      const writes = control.writes.length;
      await request({ room_id: 'long-lived', changes: changes.slice(0, 1) });
      await request({ room_id: 'long-lived', changes: [publication('long-lived')] });
      while (control.writes.length === writes) await handle.query<RoomRegistryReport>('registry');
      assert.deepEqual(control.writes.slice(writes), [1], 'the repeated change was written again');
    } finally {
      await control.stop();
      await env.teardown();
    }
  });
});
