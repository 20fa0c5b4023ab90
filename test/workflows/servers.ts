import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, type WorkflowBundle } from '@temporalio/worker';
import { ensureTools } from '../../stack/index.ts';
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

/** Temporal's time-skipping test server: waits of workflows pass at once. */
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

/** The SDK logs every failed activity, and failing is what tests make activities do. */
function quietRuntime(): void {
  if (quiet) return;
  quiet = true;
  Runtime.install({ logger: new DefaultLogger('ERROR', () => {}), telemetryOptions: { logging: { filter: 'ERROR' } } });
}
