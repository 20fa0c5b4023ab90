import assert from 'node:assert/strict';
import { Context } from '@temporalio/activity';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { activityEnvironment } from '../../activities/testing/activity-environment.ts';
import { ContinuedWork } from './continued-work.ts';

const forgotten = new ActivityCancellationDetails({ notFound: true });
const cancelled = new ActivityCancellationDetails({ cancelRequested: true });

/** Work that ends when it is told to, counting how often it was begun. */
function longWork(options?: { keepMs: number }) {
  const end = Promise.withResolvers<string>();
  const seen = { begun: 0, aborted: 0 };
  const continued = new ContinuedWork(options);
  const { train } = continued.wrap({
    async train(_args: unknown): Promise<string> {
      seen.begun += 1;
      const context = Context.current();
      context.heartbeat({ epoch: seen.begun });
      context.cancellationSignal.addEventListener('abort', () => (seen.aborted += 1));
      return Promise.race([end.promise, context.cancelled]);
    },
  });
  /** Attempts of one activity have its ids in common. */
  const attempt = () => {
    const environment = activityEnvironment();
    return { environment, result: environment.run(() => train({})) };
  };
  return { attempt, seen, end, continued };
}

describe('ContinuedWork: Temporal is away, and what runs goes on', () => {
  it('gives the work of a forgotten attempt to the next one, which does not begin anew', async () => {
    const { attempt, seen, end } = longWork();
    const first = attempt();
    first.environment.cancel('NOT_FOUND', forgotten);
    await assert.rejects(first.result, CancelledFailure);
    const second = attempt();
    end.resolve('model');
    assert.equal(await second.result, 'model');
    assert.deepEqual(seen, { begun: 1, aborted: 0 });
  });

  it('does so too where the next attempt comes before the first one knows that it is forgotten', async () => {
    const { attempt, seen, end } = longWork({ keepMs: 0 });
    const first = attempt();
    const beats: unknown[] = [];
    const second = attempt();
    second.environment.on('heartbeat', (beat) => beats.push(beat));
    first.environment.cancel('NOT_FOUND', forgotten);
    await assert.rejects(first.result, CancelledFailure);
    await new Promise((resolve) => setImmediate(resolve));
    end.resolve('model');
    assert.equal(await second.result, 'model');
    assert.deepEqual(seen, { begun: 1, aborted: 0 });
  });

  it('cancels the work when the job is cancelled, by whichever attempt hears of it', async () => {
    const { attempt, seen } = longWork();
    const first = attempt();
    first.environment.cancel('NOT_FOUND', forgotten);
    await assert.rejects(first.result, CancelledFailure);
    const second = attempt();
    second.environment.cancel('CANCELLED', cancelled);
    await assert.rejects(second.result, CancelledFailure);
    assert.deepEqual(seen, { begun: 1, aborted: 1 });
  });

  it('ends what nobody asks for any more, in time and with the session', async () => {
    const late = longWork({ keepMs: 20 });
    const first = late.attempt();
    first.environment.cancel('NOT_FOUND', forgotten);
    await assert.rejects(first.result, CancelledFailure);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(late.seen.aborted, 1);

    const ended = longWork();
    const other = ended.attempt();
    other.environment.cancel('NOT_FOUND', forgotten);
    await assert.rejects(other.result, CancelledFailure);
    await ended.continued.cancelOrphaned();
    assert.equal(ended.seen.aborted, 1);
  });
});
