/** A worker stand-in for tests that kill it: starts sleap-nn (stub or real) and waits. Arguments: python, whether in a sandbox, folder, argv. */
import { dirname, join } from 'node:path';
import { Sandbox } from '../../sandbox/index.ts';
import { testSandbox } from '../../sandbox/testing/test-sandbox.ts';
import { startSleapNn } from '../process/run-sleap-nn.ts';

const [python = '', isolates, folder = '', ...argv] = process.argv.slice(2);
const sandbox = isolates === 'true' ? await testSandbox({ python, workDir: dirname(folder) }) : Sandbox.none(python);
const access = { read: [], write: [folder] };
const running = await startSleapNn({
  ...{ sandbox, argv, access, cwd: folder, logFile: join(folder, 'log'), tmpDir: folder },
});
await running.exited;
