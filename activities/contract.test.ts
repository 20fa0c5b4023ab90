import assert from 'node:assert/strict';
import type { createClearJobStorage } from './cleanup/index.ts';
import type { ControlActivities, SessionActivities, WorkerActivities } from './contract.ts';
import type { createDatasetActivities } from './datasets/index.ts';
import type { createModelActivities } from './models/index.ts';
import type { createRegistryActivities } from './registry/index.ts';
import type { createSessionActivities } from './session/index.ts';
import type { createSleapNnActivities } from './sleap-nn/index.ts';
import type { createTransferActivities } from './transfer/index.ts';

type OnControl = ReturnType<typeof createRegistryActivities> & {
  clearJobStorage: ReturnType<typeof createClearJobStorage>;
};
type OnWorker = ReturnType<typeof createSessionActivities> &
  ReturnType<typeof createTransferActivities> &
  ReturnType<typeof createDatasetActivities> &
  ReturnType<typeof createSleapNnActivities> &
  ReturnType<typeof createModelActivities>;

describe('the contract between workflows and activities', () => {
  it('is fulfilled by the factories, as the compiler checks', () => {
    const onWorker = (real: OnWorker): WorkerActivities & SessionActivities => real;
    const onControl = (real: OnControl): ControlActivities => real;
    assert.deepEqual([typeof onWorker, typeof onControl], ['function', 'function']);
  });
});
