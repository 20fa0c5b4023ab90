import assert from 'node:assert/strict';
import { pino } from 'pino';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { CONTROL_QUEUE, jobWorkflowId } from '../../protocol/temporal/queues.ts';
import { keysIn } from '../../test/support/bucket.ts';
import { trainingInput } from '../../test/workflows/job-inputs.ts';
import { startTestS3, type TestS3 } from '../../test/workflows/s3.ts';
import { type DevServer, devServer } from '../../test/workflows/servers.ts';
import { sweepRegularly } from './storage-sweep.ts';

describe('the sweep of the room bucket', function () {
  this.timeout(60_000);
  let server: DevServer;
  let storage: TestS3;
  before(async () => {
    [server, storage] = await Promise.all([devServer(), startTestS3()]);
  });
  after(async () => {
    await Promise.all([server?.stop(), storage?.stop()]);
  });

  it('asks Temporal which jobs run, removes what the others have left, and ends with its signal', async () => {
    const room = 'swept';
    const { bucket } = storage;
    const temporal = server.env.client;
    const remaining: string[] = [];
    for (const fate of ['running', 'ended', 'forgotten']) {
      const input = trainingInput({ room });
      const { job_id } = input.spec;
      const key = `${s3Layout.jobCheckpoints(room, job_id)}run-0/latest.json`;
      await bucket.put(key, '{}');
      if (fate === 'forgotten') continue;
      const options = { workflowId: jobWorkflowId(room, job_id), taskQueue: CONTROL_QUEUE, args: [input] };
      const job = await temporal.workflow.start('trainingJob', options);
      if (fate === 'ended') await job.terminate();
      else remaining.push(key);
    }
    const stop = new AbortController();
    const logger = pino({ level: 'info' }, { write: () => stop.abort() });
    await sweepRegularly({ bucket, temporal, logger }, stop.signal);
    assert.deepEqual(await keysIn(bucket, ''), remaining);
  });
});
