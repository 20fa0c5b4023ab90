import assert from 'node:assert/strict';
import { NativeConnection, Worker } from '@temporalio/worker';
import { type DevServer, devServer } from '../test/workflows/servers.ts';
import { runTogether } from './run-together.ts';

/** Temporal refuses polls of a queue name of this length permanently, as it does if the namespace is gone. */
const REFUSED = 'long'.repeat(1_000);

describe('the Temporal workers of one process, on a real server', function () {
  this.timeout(120_000); // the SDK retries refused polls of a new worker for a minute before it gives up
  let server: DevServer;
  let connection: NativeConnection;

  before(async () => {
    server = await devServer();
    connection = await NativeConnection.connect({ address: server.env.address });
  });
  after(() => server?.stop());

  const worker = (taskQueue: string) => Worker.create({ connection, taskQueue, activities: { idle: async () => {} } });
  const states = (workers: readonly Worker[]) => workers.map((each) => each.getState());

  it('all end when the signal is aborted', async () => {
    const workers = await Promise.all([worker('one'), worker('two')]);
    const stop = new AbortController();
    const running = runTogether(workers, { signal: stop.signal });
    assert.deepEqual(states(workers), ['RUNNING', 'RUNNING']);
    stop.abort();
    assert.equal(await running, true);
    assert.deepEqual(states(workers), ['STOPPED', 'STOPPED']);
  });

  it('all end with the error of the one that cannot run', async () => {
    const [whole, used] = await Promise.all([worker('whole'), worker('used')]);
    await used.runUntil(async () => {});
    const { signal } = new AbortController();
    await assert.rejects(runTogether([whole, used], { signal }), /already started/);
    assert.equal(whole.getState(), 'STOPPED');
  });

  it('all end with an error if one of them gets no more work, so that the supervisor restarts the process', async () => {
    const [whole, refused] = await Promise.all([worker('whole'), worker(REFUSED)]);
    let endings = 0;
    const { signal } = new AbortController();
    await assert.rejects(
      runTogether([whole, refused], { signal, onEnding: () => (endings += 1) }),
      /give work of long/,
    );
    assert.deepEqual(states([whole, refused]), ['STOPPED', 'FAILED']);
    assert.equal(endings, 1);
  });
});
