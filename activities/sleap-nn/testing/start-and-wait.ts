/** A worker stand-in for tests that kill it: starts sleap-nn (stub or real) and waits. Arguments: python, folder, argv. */
import { join } from 'node:path';
import { startSleapNn } from '../process/run-sleap-nn.ts';

const [python = '', folder = '', ...argv] = process.argv.slice(2);
const running = await startSleapNn({ python, argv, cwd: folder, logFile: join(folder, 'log'), tmpDir: folder });
await running.exited;
