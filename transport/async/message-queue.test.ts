import assert from 'node:assert/strict';
import { MessageQueue } from './message-queue.ts';

describe('the message queue', () => {
  it('gives everything that arrived before the end, then the end or the error', async () => {
    const queue = new MessageQueue<number>();
    const reading = (async () => {
      const read: number[] = [];
      for await (const item of queue) read.push(item);
      return read;
    })();
    queue.push(1);
    queue.push(2);
    queue.end();
    queue.push(3);
    assert.deepEqual(await reading, [1, 2]);
    const broken = new MessageQueue<number>();
    broken.push(1);
    broken.end(new Error('cut'));
    assert.equal((await broken.next()).value, 1);
    await assert.rejects(broken.next(), { message: 'cut' });
  });

  it('loses nothing if a reader stops waiting', async () => {
    const queue = new MessageQueue<number>();
    const abort = new AbortController();
    const waiting = queue.next({ signal: abort.signal });
    abort.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
    queue.push(1);
    assert.equal((await queue.next()).value, 1);
  });
});
