import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, type WorkflowBundle } from '@temporalio/worker';

const WORKFLOWS = new URL('../../workflows/index.ts', import.meta.url);
/** The same workflows, for a worker with a build id. */
export const VERSIONED_WORKFLOWS = new URL('../../workflows/versioned.ts', import.meta.url);

/**
 * Bundles the workflows' sources for Temporal's sandbox. Takes about a second of CPU.
 * @param entry the file that exports them; default: all of ours
 * @throws if the sources do not compile, or import what workflow code must not
 */
export function bundleWorkflows(entry = WORKFLOWS): Promise<WorkflowBundle> {
  return bundleWorkflowCode({ workflowsPath: fileURLToPath(entry), logger: SILENT });
}

const silent = () => {};
/** webpack's report adds nothing to its error. */
const SILENT = { log: silent, trace: silent, debug: silent, info: silent, warn: silent, error: silent };
