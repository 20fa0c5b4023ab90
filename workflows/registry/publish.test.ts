import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import type { ControlActivities } from '../../activities/contract.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { ManifestChange } from '../../protocol/models/manifest.ts';
import { fromFailure } from '../../protocol/temporal/failures.ts';
import { CONTROL_QUEUE } from '../../protocol/temporal/queues.ts';
import { type FakeControl, startFakeControl } from '../../test/workflows/fake-control.ts';
import { modelEntry, trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { timeSkippingServer } from '../../test/workflows/servers.ts';
import { bundleWorkflows } from '../../workers/control/workflow-bundle.ts';

function publication(room: string): ManifestChange {
  const input = trainingInput({ room });
  const model = modelEntry(input, trainedModel(input, 0), 'worker-1');
  return { type: 'publish_model', change_id: `${input.spec.job_id}:${model.id}`, model };
}

describe('publishToRoom', function () {
  this.timeout(60_000);
  let env: TestWorkflowEnvironment;
  let control: FakeControl;
  /** What happens instead of an activity the first time it is called for a room. */
  const firstTime = new Map<string, (real: () => Promise<unknown>) => Promise<unknown>>();

  const overrides = (real: ControlActivities): Partial<ControlActivities> => ({
    requestManifestChanges: (args) => once(`request ${args.room_id}`, () => real.requestManifestChanges(args)),
    applyManifestChanges: (args) => once(`apply ${args.room_id}`, () => real.applyManifestChanges(args)),
  });
  async function once<T>(key: string, real: () => Promise<T>): Promise<T> {
    const instead = firstTime.get(key);
    if (instead === undefined) return real();
    firstTime.delete(key);
    return (await instead(real)) as T;
  }

  before(async () => {
    env = await timeSkippingServer();
    const bundle = bundleWorkflows(new URL('../../test/workflows/publishing.ts', import.meta.url));
    control = await startFakeControl(env, { overrides, bundle });
  });
  after(async () => {
    await control?.stop();
    await env?.teardown();
  });

  const publish = (room: string, changes: ManifestChange[]): Promise<void> =>
    env.client.workflow.execute('publishing', {
      workflowId: randomUUID(),
      taskQueue: CONTROL_QUEUE,
      args: [room, changes],
    });

  it('returns only when the manifest has all of the models', async () => {
    await publish('plain', [publication('plain'), publication('plain')]);
    assert.equal(Object.keys(control.manifest('plain').models).length, 2);
  });

  it('sends the same request again if the answer was lost', async () => {
    firstTime.set('request lost', async () => undefined);
    await publish('lost', [publication('lost')]);
    assert.equal(Object.keys(control.manifest('lost').models).length, 1);
  });

  it('publishes once if the write succeeded and its reply was lost', async () => {
    firstTime.set('apply landed', async (real) => {
      await real();
      throw new SleapRtcError('STORAGE_UNREACHABLE', 'The connection broke.');
    });
    await publish('landed', [publication('landed')]);
    assert.equal(Object.keys(control.manifest('landed').models).length, 1);
  });

  it('tries again if storage was unavailable', async () => {
    const change = publication('unavailable');
    firstTime.set('apply unavailable', async () => [
      { change_id: change.change_id, ok: false, error: { code: 'STORAGE_UNREACHABLE', message: 'S3 is unavailable.' } },
    ]);
    await publish('unavailable', [change]);
    assert.equal(Object.keys(control.manifest('unavailable').models).length, 1);
  });

  it('waits for storage that is unavailable for hours: a model in S3 is not given up', async () => {
    const change = publication('hours');
    const unavailable = { code: 'STORAGE_UNREACHABLE', message: 'S3 is unavailable.' };
    let refusals = 0;
    const refuse = async (real: () => Promise<unknown>) => {
      if (refusals === 50) return real();
      refusals += 1;
      firstTime.set('apply hours', refuse);
      return [{ change_id: change.change_id, ok: false, error: unavailable }];
    };
    firstTime.set('apply hours', refuse);
    await publish('hours', [change]);
    assert.equal(refusals, 50);
    assert.equal(Object.keys(control.manifest('hours').models).length, 1);
  });

  it('fails with the code of a change that can’t be made', async () => {
    const bad: ManifestChange = { type: 'set_alias', change_id: 'bad', alias: 'x', model_id: 'ffffffff' };
    await assert.rejects(publish('bad', [bad]), (error: unknown) => fromFailure(error).code === 'MODEL_NOT_FOUND');
  });
});
