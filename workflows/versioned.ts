/**
 * The workflows for a control worker with a build id. Jobs stay with the release that they began on, which is its default; a
 * room's registry outlives every release, and moves on. (Temporal refuses this option of a worker that has no build id.)
 */
import { setWorkflowOptions } from '@temporalio/workflow';
import { inferenceJob, roomRegistry, trainingJob } from './index.ts';

setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, roomRegistry);

export { inferenceJob, roomRegistry, trainingJob };
