import type { Client } from '@temporalio/client';
import { createApplyManifestChanges, type ManifestStore } from './apply-changes.ts';
import { createRequestManifestChanges } from './request-changes.ts';

export interface RegistryDeps extends ManifestStore {
  temporal: Client;
}

/** The activities by which manifests are changed; for the control worker. */
export function createRegistryActivities(deps: RegistryDeps) {
  return {
    applyManifestChanges: createApplyManifestChanges(deps),
    requestManifestChanges: createRequestManifestChanges(deps),
  };
}
