import type { NativeConnection } from '@temporalio/worker';
import pRetry from 'p-retry';

/** A release of the workflows, as Temporal's worker versioning knows it. */
export interface Deployment {
  name: string;
  buildId: string;
}

/** Temporal learns of a version with its first poll, a moment after the worker has started. */
const FIRST_POLL_RETRIES = { retries: 20, minTimeout: 100, maxTimeout: 1_000 };

/**
 * Makes a version the one that new jobs start on, when it appears for the first time. A version that has been current before is
 * left alone: an old version's worker that restarts must not take new jobs back, nor undo an admin's choice.
 * @returns the build id of the current version
 * @throws if Temporal does not learn of the version, or does not support worker versioning
 */
export async function promoteOnce(
  { workflowService }: Pick<NativeConnection, 'workflowService'>,
  namespace: string,
  { name, buildId }: Deployment,
  signal: AbortSignal,
): Promise<string> {
  return pRetry(
    async () => {
      const { workerDeploymentInfo } = await workflowService.describeWorkerDeployment({
        namespace,
        deploymentName: name,
      });
      const versions = workerDeploymentInfo?.versionSummaries ?? [];
      const ours = versions.find(({ deploymentVersion }) => deploymentVersion?.buildId === buildId);
      if (ours === undefined) throw new Error(`Temporal does not know version ${buildId} of ${name}.`);
      if (ours.firstActivationTime != null) {
        return workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId ?? '';
      }
      await workflowService.setWorkerDeploymentCurrentVersion({ namespace, deploymentName: name, buildId });
      return buildId;
    },
    { ...FIRST_POLL_RETRIES, signal },
  );
}
