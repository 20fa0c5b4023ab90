import type { SignalingState } from '../../protocol/stored/signaling-state.ts';

/** Stores the state. */
export interface StateStore {
  /** The last state saved; undefined if there is none. Rejects if it cannot be fetched or read. */
  load(): Promise<SignalingState | undefined>;
  save(state: SignalingState): Promise<void>;
}
