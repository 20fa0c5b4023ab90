import type { Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { type ActivityInboundCallsInterceptor, DefaultLogger } from '@temporalio/worker';
import { fromFailure } from '../../protocol/temporal/failures.ts';
import { convertErrors } from '../../workers/interceptors/convert-errors.ts';
import { heartbeats } from '../../workers/interceptors/heartbeats.ts';
import { parseInput } from '../../workers/interceptors/parse-input.ts';
import type { ActivityName } from '../contract.ts';

/**
 * An environment in which a test runs an activity as a worker does, with the same interceptors; its errors are those that the
 * workflow reads.
 * @param activity whose schema the input must fit; if it is left out, the input is not parsed
 */
export function activityEnvironment(activity?: ActivityName): MockActivityEnvironment {
  if (activity === undefined) return environmentWith([asTheWorkflowReadsIt, convertErrors(), heartbeats]);
  const interceptors = [asTheWorkflowReadsIt, parseInput, convertErrors(), heartbeats];
  return environmentWith(interceptors, { activityType: activity });
}

/** Turns a failure into the error that the workflow reads from it. */
const asTheWorkflowReadsIt: ActivityInboundCallsInterceptor = {
  async execute(input, next) {
    try {
      return await next(input);
    } catch (failure) {
      throw failure instanceof ApplicationFailure ? fromFailure(failure) : failure;
    }
  },
};

/** An environment for the tests of interceptors: with these only, the outermost first. */
export function environmentWith(
  interceptors: readonly ActivityInboundCallsInterceptor[],
  info: Partial<Info> = {},
): MockActivityEnvironment {
  return new MockActivityEnvironment(info, {
    // What the SDK logs of a failure is the test's own business.
    logger: new DefaultLogger('ERROR', () => {}),
    interceptors: interceptors.map((inbound) => () => ({ inbound })),
  });
}
