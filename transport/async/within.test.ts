import assert from 'node:assert/strict';
import { within } from './within.ts';

describe('a bounded wait', () => {
  it('ends with the promise, the abort or the time, whichever is first', async () => {
    const never = new Promise<never>(() => undefined);
    assert.equal(await within(Promise.resolve(1), { timeoutMs: 1_000 }), 1);
    await assert.rejects(within(never, { timeoutMs: 5, onTimeout: () => new Error('late') }), { message: 'late' });
    const abort = new AbortController();
    const waiting = within(never, { signal: abort.signal });
    abort.abort(new Error('stop'));
    await assert.rejects(waiting, { message: 'stop' });
  });

  it('leaves no unhandled rejection if it was aborted before', async () => {
    const failing = Promise.reject(new Error('unheard'));
    await assert.rejects(within(failing, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });
});
