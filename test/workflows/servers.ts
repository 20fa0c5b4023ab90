import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, type WorkflowBundle } from '@temporalio/worker';
import { ensureTools } from '../../stack/index.ts';
import { startTemporal } from '../../stack/servers/temporal.ts';
import { bundleWorkflows } from '../../workers/control/workflow-bundle.ts';

/** Temporal's number for the type (`temporal.api.enums.v1.IndexedValueType`). */
const KEYWORD = 2;

let bundle: Promise<WorkflowBundle> | undefined;
let quiet = false;

/** The workflows as the control worker runs them; bundled once a process. */
export function workflowBundle(): Promise<WorkflowBundle> {
  bundle ??= bundleWorkflows();
  return bundle;
}

/** Temporal's time-skipping test server: timers of workflows fire at once. */
export async function timeSkippingServer(): Promise<TestWorkflowEnvironment> {
  quietRuntime();
  const { temporalTestServer: path } = await ensureTools({ parts: ['servers'] });
  const env = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
  await env.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: { SleapPhase: KEYWORD },
  });
  return env;
}

/** A real Temporal server, for heartbeats, listing and continue-as-new, in which the time-skipping server differs. */
export interface DevServer {
  env: TestWorkflowEnvironment;
  stop(): Promise<void>;
}

/** A real server that suggests continue-as-new after this many events, so that a test does not need thousands. */
export async function devServerWithShortHistories(events: number): Promise<TestWorkflowEnvironment> {
  quietRuntime();
  const { temporal: path } = await ensureTools({ parts: ['servers'] });
  const extraArgs = ['--dynamic-config-value', `limit.historyCount.suggestContinueAsNew=${events}`];
  return TestWorkflowEnvironment.createLocal({
    server: { executable: { type: 'existing-path', path }, extraArgs, log: { format: 'json', level: 'never' } },
  });
}

/** Starts a real server. Its state is in a folder that is removed when the server stops. */
export async function devServer(): Promise<DevServer> {
  quietRuntime();
  const { temporal } = await ensureTools({ parts: ['servers'] });
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-test-'));
  const server = await startTemporal({ dir, temporal });
  const env = await TestWorkflowEnvironment.createFromExistingServer({ address: server.address });
  return {
    env,
    async stop() {
      await env.teardown();
      await server.kill();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The SDK logs every failed activity, and tests make activities fail. */
export function quietRuntime(): void {
  if (quiet) return;
  quiet = true;
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}), telemetryOptions: { logging: { filter: 'ERROR' } } });
}
