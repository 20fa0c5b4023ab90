import { Context } from '@temporalio/activity';

const details = new WeakMap<Context, () => unknown>();

/**
 * Sets what the present activity's heartbeats carry from now on. The worker heartbeats every second for each activity
 * (`workers/interceptors/heartbeats.ts`); an activity only sets the details.
 */
export function heartbeatWith(read: () => unknown): void {
  details.set(Context.current(), read);
}

/** What an activity's next heartbeat carries. Returns undefined if the activity has set nothing. */
export function heartbeatDetails(context: Context): unknown {
  return details.get(context)?.();
}
