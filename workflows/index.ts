/** The workflows that the control worker runs, by the names under which they are started. */
export { inferenceJob } from './inference-job.ts';
export { roomRegistry } from './registry/room-registry.ts';
export { trainingJob } from './training-job.ts';
