export { openSandbox, SandboxMode, type SandboxState } from './open-sandbox.ts';
export { runScript, sendFilter } from './run-script.ts';
export { type FileAccess, LATE_MOUNTS, Sandbox } from './sandbox.ts';
