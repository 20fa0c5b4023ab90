import { createEndGpuSession } from './end-gpu-session.ts';
import { createHoldGpuSession, type SessionDeps } from './hold-gpu-session.ts';

export type { SessionDeps } from './hold-gpu-session.ts';

/** The activities with which a workflow holds a pod's GPU. */
export function createSessionActivities(deps: SessionDeps) {
  return { holdGpuSession: createHoldGpuSession(deps), endGpuSession: createEndGpuSession(deps) };
}
