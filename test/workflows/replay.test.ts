import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import proto from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { recordHistories } from './record-histories.ts';
import { quietRuntime, workflowBundle } from './servers.ts';

/**
 * Jobs that were started by an older release must go on under this one. If a replay fails, leave the old path beside the
 * new one with `patched()`; do not record the history again.
 * Once a release: `SLEAP_RTC_RECORD_HISTORIES=0.2.0 mocha test/workflows/replay.test.ts`.
 */
describe('replay of recorded histories', function () {
  this.timeout(60_000);
  const folder = fileURLToPath(new URL('../histories', import.meta.url));

  async function read(file: string) {
    return proto.temporal.api.history.v1.History.fromObject(JSON.parse(await readFile(file, 'utf8')));
  }
  const replay = async (name: string, history: unknown): Promise<void> =>
    Worker.runReplayHistory({ workflowBundle: await workflowBundle(), replayName: name }, history);

  before(async () => {
    quietRuntime();
    const release = process.env.SLEAP_RTC_RECORD_HISTORIES;
    if (release !== undefined) await recordHistories(`${folder}/${release}`);
  });

  it('makes the same decisions as when they were recorded', async () => {
    let replayed = 0;
    for await (const file of glob(`${folder}/*/*.json`)) {
      await replay(basename(file), await read(file));
      replayed += 1;
    }
    assert.ok(replayed > 0, `no histories in ${folder}`);
  });

  it('notices if the decisions would be different', async () => {
    const history = await read(`${folder}/0.1.0/training-done.json`);
    const activity = history.events
      .map((event) => event.activityTaskScheduledEventAttributes?.activityType)
      .find((type) => type?.name === 'receiveDataset');
    assert.ok(activity);
    activity.name = 'fetchDataset';
    await assert.rejects(replay('changed', history), { name: 'DeterminismViolationError' });
  });
});
