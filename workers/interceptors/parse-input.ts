import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInboundCallsInterceptor } from '@temporalio/worker';
import { type ActivityName, activityInputs } from '../../activities/contract.ts';

/**
 * Checks every activity's input against its schema, so that what came from Temporal can become paths, keys and arguments.
 * @throws ApplicationFailure INTERNAL, never retried, if the input does not fit
 */
export const parseInput: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    const { activityType } = Context.current().info;
    const schema = Object.hasOwn(activityInputs, activityType)
      ? activityInputs[activityType as ActivityName]
      : undefined;
    if (schema === undefined) throw refused(`There is no activity ${activityType}.`);
    const parsed = schema.safeParse(input.args[0]);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw refused(
        `The input of ${activityType} is wrong at ${issue?.path.join('.') || 'its top'}: ${issue?.message}`,
      );
    }
    return next({ ...input, args: [parsed.data] });
  },
};

function refused(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, 'INTERNAL');
}
