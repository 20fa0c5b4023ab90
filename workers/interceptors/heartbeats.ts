import { Context } from '@temporalio/activity';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { heartbeatDetails } from '../../activities/heartbeat-details.ts';

/** Time between two heartbeats, in milliseconds. The workflows' heartbeat timeout is a few of these. */
const HEARTBEAT_MS = 1_000;

/**
 * Heartbeats for every activity, with the details that it has set (`heartbeatWith`). An activity that fails after it was
 * cancelled counts as cancelled, whatever error the abort caused.
 */
export const heartbeats: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    const context = Context.current();
    // Temporal knows no heartbeats of local activities, which take milliseconds.
    const timer = context.info.isLocal
      ? undefined
      : setInterval(() => context.heartbeat(heartbeatDetails(context)), HEARTBEAT_MS);
    try {
      return await next(input);
    } catch (error) {
      context.cancellationSignal.throwIfAborted();
      throw error;
    } finally {
      clearInterval(timer);
    }
  },
};
