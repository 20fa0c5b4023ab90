import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';
import pino from 'pino';
import type { TrainingSpec } from '../protocol/jobs/job.ts';
import { CONTROL_QUEUE } from '../protocol/temporal/queues.ts';
import { quietRuntime } from '../test/workflows/servers.ts';
import { type SignalingServer, startSignalingServer } from './server.ts';
import { ask } from './testing/api-client.ts';
import { newRoom, type TestRoom } from './testing/test-room.ts';
import { startTestServers, type TestServers } from './testing/test-servers.ts';

/** How many clients join, follow a job for a moment and leave. */
const FOLLOWERS = 400;
/** How many of them run at a time: each waits most of its time. */
const AT_ONCE = 20;
/**
 * How many bytes more the process may need afterwards, for each client, because of caches (4 kB were measured). A leak of one
 * request to Temporal takes 14 kB.
 */
const ALLOWED_EACH = 10_000;

/** A job of the test's workflows that does not end by itself. */
const spec: TrainingSpec = {
  kind: 'training',
  job_id: 'job00000001',
  name: 'waits',
  files: ['flies.pkg.slp', 'c.yaml'].map((path) => ({ path, size_bytes: 10, sha256: 'a'.repeat(64) })),
  requirements: {},
  stage: true,
  runs: [{ name: 'c', config: 'c.yaml', train_labels: ['flies.pkg.slp'], val_labels: [], model_type: 'centroid' }],
  notes: '',
  tags: [],
};

describe('a server that many have followed a job through', function () {
  this.timeout(120_000);
  let servers: TestServers;
  let server: SignalingServer;
  let room: TestRoom;
  let connection: NativeConnection;
  let worker: Worker;

  before(async () => {
    quietRuntime();
    servers = await startTestServers(['s3', 'dynamodb', 'cognito', 'temporal']);
    server = await startSignalingServer(servers.config, { logger: pino({ level: 'silent' }), aws: servers.aws() });
    room = await newRoom(server.url);
    const workflowsPath = fileURLToPath(new URL('testing/test-workflows.ts', import.meta.url));
    connection = await NativeConnection.connect({ address: servers.config.temporal.address });
    const workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
    worker = await Worker.create({ connection, taskQueue: CONTROL_QUEUE, workflowBundle });
  });
  after(async () => {
    await connection?.close();
    await server?.stop();
    await servers?.[Symbol.asyncDispose]();
  });

  const ofRoom = (request: string, body?: object) =>
    ask(server.url, request.replace('ROOM', `/api/rooms/${room.room_id}`), {
      idToken: room.idToken,
      roomToken: room.token,
      ...(body && { body }),
    });

  it('needs no more memory than before', async () => {
    await worker.runUntil(async () => {
      assert.equal((await ofRoom('POST ROOM/jobs', spec)).status, 200);
      await follow(FOLLOWERS / 2);
      const before = used();
      await follow(FOLLOWERS);
      const grown = (used() - before) / FOLLOWERS;
      assert.ok(grown <= ALLOWED_EACH, `it grew by ${Math.round(grown)} bytes a follower`);
    });
  });

  /** As a command does: joins the room, reads the manifest, and subscribes to the job. */
  async function follow(many: number): Promise<void> {
    let left = many;
    const next = async (): Promise<void> => {
      while (left-- > 0) {
        const peer = await room.join(`cli-${left}`);
        assert.equal((await ofRoom('GET ROOM/manifest')).status, 200);
        peer.send({ type: 'subscribe_jobs', job_id: spec.job_id });
        assert.equal((await peer.nextOf('jobs_subscribed')).jobs?.length, 1);
        await peer.close();
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
  }
});

/** Bytes of this process's objects that are still needed. */
function used(): number {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  gc();
  gc();
  return process.memoryUsage().heapUsed;
}
