import { SignalingState } from '../../protocol/stored/signaling-state.ts';
import { type Bucket, readJson, writeJson } from '../../storage/index.ts';
import type { StateStore } from './state-store.ts';

const STATE_KEY = 'signaling/state.json';

/** Saves the state as one object of the state bucket. */
export function createS3StateStore(bucket: Bucket): StateStore {
  return {
    load: () => readJson(bucket, STATE_KEY, SignalingState),
    async save(state) {
      await writeJson(bucket, STATE_KEY, state);
    },
  };
}
