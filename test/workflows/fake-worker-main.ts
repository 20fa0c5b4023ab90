import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { FakeWorker } from './fake-worker.ts';

/**
 * A fake worker in a process of its own, which a test can kill: `node fake-worker-main.ts ADDRESS ROOM NAME [ACTIVITY]`.
 * It writes a line for each activity that begins, and stays in ACTIVITY forever. SIGTERM stops it, as it stops a worker.
 */
const [address = '', room = '', name = '', stallIn] = process.argv.slice(2);
const client = new Client({ connection: await NativeConnection.connect({ address }) });
const worker = await FakeWorker.start(
  { address, client },
  {
    room,
    name,
    onCall: async (activity) => {
      process.stdout.write(`${activity}\n`);
      if (activity === stallIn) await worker.work();
    },
  },
);
process.stdout.write('ready\n');
process.once('SIGTERM', () => {
  void worker.stop().then(() => process.exit(0));
});
