import assert from 'node:assert/strict';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import pino from 'pino';
import { TestHome } from '../../cli/testing/run-cli.ts';
import { jobWorkflowId } from '../../protocol/temporal/queues.ts';
import { type SignalingServer, startSignalingServer } from '../../signaling/server.ts';
import { ask } from '../../signaling/testing/api-client.ts';
import { newRoom, type TestRoom } from '../../signaling/testing/test-room.ts';
import { startTestServers, type TestServers } from '../../signaling/testing/test-servers.ts';
import { startFakeControl } from './fake-control.ts';
import { trainingInput } from './job-inputs.ts';
import { quietRuntime } from './servers.ts';

describe('an action on a job, from the CLI to the workflow', function () {
  this.timeout(180_000);
  let servers: TestServers;
  let server: SignalingServer;
  let env: TestWorkflowEnvironment;
  let room: TestRoom;
  let home: TestHome;

  before(async () => {
    quietRuntime();
    servers = await startTestServers(['s3', 'dynamodb', 'cognito', 'temporal']);
    server = await startSignalingServer(servers.config, { logger: pino({ level: 'silent' }), aws: servers.aws() });
    env = await TestWorkflowEnvironment.createFromExistingServer({ address: servers.config.temporal.address });
    room = await newRoom(server.url);
    home = await TestHome.make();
    Object.assign(home.env, {
      SLEAP_RTC_SERVER: server.url,
      SLEAP_RTC_ROOM: room.room_id,
      SLEAP_RTC_TOKEN: room.token,
    });
  });
  after(async () => {
    await home?.[Symbol.asyncDispose]();
    await env?.teardown();
    await server?.stop();
    await servers?.[Symbol.asyncDispose]();
  });

  /** Submits a job for which there is no worker. @returns its id */
  async function submit(): Promise<string> {
    const { spec } = trainingInput();
    const credentials = { idToken: room.idToken, roomToken: room.token };
    const { status } = await ask(server.url, `POST /api/rooms/${room.room_id}/jobs`, { ...credentials, body: spec });
    assert.equal(status, 200);
    return spec.job_id;
  }

  it('is neither lost nor reported as accepted while no control worker runs, and is carried out once as soon as one runs', async () => {
    const job = await submit();
    const running = home.start('jobs', 'pause', job);
    await home.says(running, /has not accepted `pause` yet: no control worker has answered/);
    const { status } = JSON.parse((await home.run('jobs', 'show', job, '--json')).stdout).job;
    assert.equal(status?.phase ?? 'queued', 'queued');

    const control = await startFakeControl(env);
    try {
      const { exitCode, stdout, stderr } = await running;
      assert.equal(exitCode, 0, String(stderr));
      assert.match(String(stdout), /(is|will) paused?/);
      const { events } = await env.client.workflow.getHandle(jobWorkflowId(room.room_id, job)).fetchHistory();
      const accepted = events?.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes != null);
      assert.equal(accepted?.length, 1);

      assert.equal((await home.run('jobs', 'cancel', job)).exitCode, 0);
      const late = await home.run('jobs', 'resume', job);
      assert.equal(late.exitCode, 2);
      assert.match(late.stderr, /had ended already: cancelled: The job was cancelled\. \[JOB_ACTION_REFUSED\]/);
    } finally {
      await control.stop();
    }
  });

  it('says that it was not accepted if the command is interrupted first', async () => {
    const job = await submit();
    const running = home.start('jobs', 'cancel', job);
    await home.says(running, /has not accepted `cancel` yet/);
    running.kill('SIGINT');
    const { exitCode, stdout, stderr } = await running;
    assert.equal(exitCode, 130);
    assert.match(String(stderr), /has not accepted `cancel`\. \[INTERRUPTED\]\nThe job may still accept it/);
    assert.equal(stdout, '');
  });
});
