export type { TemporalServer } from './servers/temporal.ts';
export type { GpuWorkerOptions } from './settings.ts';
export { ensureTools, type Part, type SetupOptions, type Tools } from './setup.ts';
export { type Stack, type StackGpuWorker, type StackOptions, type StackPart, startStack } from './stack.ts';
