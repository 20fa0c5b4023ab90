import { Context } from '@temporalio/activity';
import type { EndGpuSessionInput } from '../contract.ts';
import type { SessionDeps } from './run-gpu-session.ts';

/** Ends the session on its worker and waits until the slot is free. A session that is not here has already ended. */
export function createEndGpuSession({ slot }: Pick<SessionDeps, 'slot'>) {
  return async function endGpuSession({
    session_id,
    keep_files: keepFiles = false,
  }: EndGpuSessionInput): Promise<void> {
    await slot.end(session_id, { keepFiles, signal: Context.current().cancellationSignal });
  };
}
