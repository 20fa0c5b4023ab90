import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { FakePod } from './fake-pod.ts';

/**
 * A fake pod as a process of its own, to be killed: `node fake-pod-main.ts ADDRESS ROOM NAME [ACTIVITY]`.
 * It writes a line for each activity that begins, and stays in ACTIVITY for ever. SIGTERM stops it as it would a worker.
 */
const [address = '', room = '', name = '', stallIn] = process.argv.slice(2);
const client = new Client({ connection: await NativeConnection.connect({ address }) });
const pod = await FakePod.start(
  { address, client },
  {
    room,
    name,
    onCall: async (activity) => {
      process.stdout.write(`${activity}\n`);
      if (activity === stallIn) await pod.work();
    },
  },
);
process.stdout.write('ready\n');
process.once('SIGTERM', () => {
  void pod.stop().then(() => process.exit(0));
});
