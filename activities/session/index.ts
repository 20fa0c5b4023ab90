import { createEndGpuSession } from './end-gpu-session.ts';
import { createRunGpuSession, type SessionDeps } from './run-gpu-session.ts';

export type { SessionDeps } from './run-gpu-session.ts';

/** The activities with which a workflow reserves a worker's GPU. */
export function createSessionActivities(deps: SessionDeps) {
  return { runGpuSession: createRunGpuSession(deps), endGpuSession: createEndGpuSession(deps) };
}
