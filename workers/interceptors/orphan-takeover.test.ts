import assert from 'node:assert/strict';
import { Context } from '@temporalio/activity';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { environmentWith } from '../../activities/testing/activity-environment.ts';
import { OrphanTakeover } from './orphan-takeover.ts';

const orphaned = new ActivityCancellationDetails({ notFound: true });
const cancelled = new ActivityCancellationDetails({ cancelRequested: true });

/** Work that goes on until the test ends it. It counts how often it has begun. */
function longWork(options?: { graceMs: number }) {
  const end = Promise.withResolvers<string>();
  const seen = { begun: 0, aborted: 0 };
  const takeover = new OrphanTakeover(options);
  async function train(): Promise<string> {
    seen.begun += 1;
    const context = Context.current();
    context.heartbeat({ epoch: seen.begun });
    context.cancellationSignal.addEventListener('abort', () => (seen.aborted += 1));
    return Promise.race([end.promise, context.cancelled]);
  }
  /** Attempts of one activity have its ids in common. */
  const attempt = () => {
    const environment = environmentWith([takeover]);
    return { environment, result: environment.run(train) };
  };
  return { attempt, seen, end, takeover };
}

describe('OrphanTakeover: running work goes on while Temporal is unavailable', () => {
  it('gives the work of an orphaned attempt to the next one, which does not start over', async () => {
    const { attempt, seen, end } = longWork();
    const first = attempt();
    first.environment.cancel('NOT_FOUND', orphaned);
    await assert.rejects(first.result, CancelledFailure);
    const second = attempt();
    end.resolve('model');
    assert.equal(await second.result, 'model');
    assert.deepEqual(seen, { begun: 1, aborted: 0 });
  });

  it('gives it even if the next attempt begins before the first one knows that it is orphaned', async () => {
    const { attempt, seen, end } = longWork({ graceMs: 0 });
    const first = attempt();
    const beats: unknown[] = [];
    const second = attempt();
    second.environment.on('heartbeat', (beat) => beats.push(beat));
    first.environment.cancel('NOT_FOUND', orphaned);
    await assert.rejects(first.result, CancelledFailure);
    await new Promise((resolve) => setImmediate(resolve));
    end.resolve('model');
    assert.equal(await second.result, 'model');
    assert.deepEqual(seen, { begun: 1, aborted: 0 });
  });

  it('cancels the work when the job is cancelled, whichever attempt learns of it', async () => {
    const { attempt, seen } = longWork();
    const first = attempt();
    first.environment.cancel('NOT_FOUND', orphaned);
    await assert.rejects(first.result, CancelledFailure);
    const second = attempt();
    second.environment.cancel('CANCELLED', cancelled);
    await assert.rejects(second.result, CancelledFailure);
    assert.deepEqual(seen, { begun: 1, aborted: 1 });
  });

  it('ends work that no attempt takes over in time, and with the session', async () => {
    const late = longWork({ graceMs: 20 });
    const first = late.attempt();
    first.environment.cancel('NOT_FOUND', orphaned);
    await assert.rejects(first.result, CancelledFailure);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(late.seen.aborted, 1);

    const ended = longWork();
    const other = ended.attempt();
    other.environment.cancel('NOT_FOUND', orphaned);
    await assert.rejects(other.result, CancelledFailure);
    await ended.takeover.cancelOrphaned();
    assert.equal(ended.seen.aborted, 1);
  });
});
