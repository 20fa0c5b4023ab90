import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { WorkflowFailedError } from '@temporalio/client';
import { type ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { type ActivityName, activityInputs } from '../../activities/contract.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import { inferenceInput, modelEntry, trainedModel, trainingInput } from '../../test/workflows/job-inputs.ts';
import { type DevServer, devServer } from '../../test/workflows/servers.ts';
import { bundleWorkflows } from '../control/workflow-bundle.ts';
import { activityInterceptors, jobInterceptors, OrphanTakeover, RunningActivities } from './index.ts';
import type { callActivity } from './testing/call-activity-workflow.ts';

const training = trainingInput();
const inference = inferenceInput();
const trained = trainedModel(training, 0);
const session_id = randomUUID();
const { job_id } = training.spec;
const room_id = training.context.room_id;
const publish = { type: 'publish_model', change_id: 'publish', model: modelEntry(training, trained, 'gpu-1') };
const sha256 = 'a'.repeat(64);

const withSpec = <Input extends JobInput>(input: Input, spec: object) => ({
  ...input,
  spec: { ...input.spec, ...spec },
});
const withContext = (input: JobInput, context: object) => ({ ...input, context: { ...input.context, ...context } });
const many = <T>(n: number, item: (i: number) => T) => Array.from({ length: n }, (_, i) => item(i));

/** For each activity: an input that fits, and inputs that do not, named by what is wrong with them. */
const TABLE: Record<ActivityName, { fits: unknown; wrong: Record<string, unknown> }> = {
  runGpuSession: {
    fits: { session_id, room_id, job_id, requirements: {}, workflow_id: `job:${room_id}:${job_id}` },
    wrong: {
      'job_id is a path': { session_id, room_id, job_id: '../x', requirements: {}, workflow_id: 'job' },
      'room_id is a path': { session_id, room_id: '../x', job_id, requirements: {}, workflow_id: 'job' },
      'requirements name no worker': { session_id, room_id, job_id, requirements: { worker: '/' }, workflow_id: 'job' },
      'workflow_id is too long': { session_id, room_id, job_id, requirements: {}, workflow_id: 'w'.repeat(1_001) },
    },
  },
  endGpuSession: {
    fits: { session_id, job_id },
    wrong: { 'session_id is none': { session_id: 's1', job_id }, 'job_id is a path': { session_id, job_id: '../x' } },
  },
  receiveDataset: {
    fits: { input: training },
    wrong: {
      'job_id is a path': { input: withSpec(training, { job_id: '../x' }) },
      'a file’s path leaves its folder': {
        input: withSpec(training, { files: [{ path: '../a.slp', size_bytes: 1, sha256 }] }),
      },
      'files are too many': {
        input: withSpec(training, { files: many(10_001, (i) => ({ path: `${i}.png`, size_bytes: 1, sha256 })) }),
      },
    },
  },
  stageDataset: {
    fits: { input: training },
    wrong: {
      'a hash is none': { input: withSpec(training, { files: [{ path: 'a', size_bytes: 1, sha256: '../x' }] }) },
      'room_id is a path': { input: withContext(training, { room_id: '../x' }) },
    },
  },
  train: {
    fits: { input: training, run_index: 0, may_have_remote_checkpoint: true },
    wrong: {
      'job_id is a path': { input: withSpec(training, { job_id: '../x' }), run_index: 0 },
      'run_index is negative': { input: training, run_index: -1 },
      'a run’s name is a path': {
        input: withSpec(training, { runs: training.spec.runs.map((run) => ({ ...run, name: '../x' })) }),
        run_index: 0,
      },
      'the job is no training': { input: inference, run_index: 0 },
    },
  },
  controlTraining: {
    fits: { input: training, run_index: 0, action: 'stop' },
    wrong: {
      'run_index is missing': { input: training, action: 'stop' },
      'input is missing': { run_index: 0, action: 'stop' },
      'run_index is too large': { input: training, run_index: 16, action: 'pause' },
      'the action is unknown': { input: training, run_index: 0, action: 'end' },
    },
  },
  uploadModel: {
    fits: { input: training, trained },
    wrong: {
      'model_id is a path': { input: training, trained: { ...trained, model_id: '../x' } },
      'run is a path': { input: training, trained: { ...trained, run: '../x' } },
      'a file’s path leaves its folder': {
        input: training,
        trained: { ...trained, files: [{ path: '../best.ckpt', size_bytes: 1, sha256 }] },
      },
    },
  },
  returnResults: {
    fits: { input: inference, model_ids: [] },
    wrong: {
      'a model id is a path': { input: training, model_ids: ['../x'] },
      'model ids are too many': { input: training, model_ids: many(17, () => 'a3f5e8c9') },
    },
  },
  ensureModels: {
    fits: { input: inference },
    wrong: {
      'a model id is a path': { input: withSpec(inference, { models: ['../x'] }) },
      'models are too many': { input: withSpec(inference, { models: many(3, () => 'a3f5e8c9') }) },
    },
  },
  predict: {
    fits: { input: inference },
    wrong: {
      'input leaves its folder': { input: withSpec(inference, { input: '../../etc/passwd' }) },
      'frames are an option': { input: withSpec(inference, { frames: '--help' }) },
    },
  },
  uploadResults: {
    fits: { input: inference },
    wrong: { 'job_id is a path': { input: withSpec(inference, { job_id: '../x' }) } },
  },
  uploadLogs: {
    fits: { input: training },
    wrong: { 'job_id is a path': { input: withSpec(training, { job_id: 'jobs/../x' }) }, 'there is no job': {} },
  },
  requestManifestChanges: {
    fits: { room_id, changes: [publish], reply_to: { workflow_id: 'job' } },
    wrong: {
      'room_id is a path': { room_id: 'a/../b', changes: [publish] },
      'a model’s id is a path': { room_id, changes: [{ ...publish, model: { ...publish.model, id: '../x' } }] },
    },
  },
  applyManifestChanges: {
    fits: { room_id, changes: [publish] },
    wrong: {
      'a change is unknown': { room_id, changes: [{ type: 'drop_all', change_id: 'c' }] },
      'changes are too many': { room_id, changes: many(1_001, () => publish) },
    },
  },
  clearJobStorage: {
    fits: { room_id, job_id, dataset: [sha256], unpublished: [trained.model_id] },
    wrong: {
      'job_id is a path': { room_id, job_id: '../x', dataset: [] },
      'a hash is a path': { room_id, job_id, dataset: ['../../other-room/manifest.json'] },
      'there is nothing': undefined,
    },
  },
};

const NAMES = Object.keys(TABLE) as ActivityName[];
/** The queues of the two kinds of interceptors. */
const QUEUES = ['control-and-sessions', 'jobs'];

describe('the inputs of activities, as they come from Temporal', function () {
  this.timeout(60_000);
  let server: DevServer;
  let workers: Worker[];
  let running: Promise<unknown>;
  /** Activities that ran. */
  const done: string[] = [];

  before(async function () {
    this.timeout(120_000);
    server = await devServer();
    const workflows = new URL('./testing/call-activity-workflow.ts', import.meta.url);
    const workflowBundle = await bundleWorkflows(workflows);
    const activities = Object.fromEntries(NAMES.map((name) => [name, async () => void done.push(name)]));
    const create = (taskQueue: string, interceptors: ReturnType<typeof activityInterceptors>) =>
      Worker.create({ connection: server.env.nativeConnection, taskQueue, workflowBundle, activities, interceptors });
    const takeover = new OrphanTakeover();
    const running_ = new RunningActivities(() => {});
    workers = [
      await create('control-and-sessions', activityInterceptors()),
      await create('jobs', jobInterceptors({ takeover, running: running_, explain: (error) => error })),
    ];
    running = Promise.all(workers.map((worker) => worker.run()));
  });
  after(async () => {
    for (const worker of workers) worker.shutdown();
    await running;
    await server.stop();
  });
  beforeEach(() => {
    done.length = 0;
  });

  const call = (activity: string, queue: string, args: unknown[]) =>
    server.env.client.workflow.execute<typeof callActivity>('callActivity', {
      workflowId: randomUUID(),
      taskQueue: queue,
      args: [activity, queue, args],
    });

  /** The error with which an activity was refused. Fails if it was not refused. */
  async function refusal(activity: string, queue: string, args: unknown[]): Promise<ApplicationFailure> {
    const failure: unknown = await call(activity, queue, args).then(
      () => assert.fail(`${activity} was done`),
      (error: unknown) => error,
    );
    assert.ok(failure instanceof WorkflowFailedError, String(failure));
    const { cause } = failure.cause as ActivityFailure;
    assert.ok(cause instanceof ApplicationFailure, String(cause));
    return cause;
  }

  it('are checked for every activity of the contract', () => {
    assert.deepEqual(NAMES.sort(), Object.keys(activityInputs).sort());
  });

  for (const activity of NAMES) {
    const { fits, wrong } = TABLE[activity];
    it(`${activity} accepts what fits, and refuses what could reach other files, jobs or rooms`, async () => {
      for (const queue of QUEUES) {
        await call(activity, queue, [fits]);
        assert.deepEqual(done.splice(0), [activity]);
        await Promise.all(
          Object.entries(wrong).map(async ([what, input]) => {
            const { type, nonRetryable, message } = await refusal(activity, queue, [input]);
            assert.deepEqual({ type, nonRetryable }, { type: 'INTERNAL', nonRetryable: true }, what);
            assert.match(message, new RegExp(`^The input of ${activity} is wrong at `), what);
          }),
        );
        assert.deepEqual(done, []);
      }
    });
  }
});
