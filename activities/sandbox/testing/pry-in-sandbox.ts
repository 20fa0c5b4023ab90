/** Runs `pry.py` in the sandbox that a worker has here, and prints what it found. Arguments: folder of the worker, of the job, JSON. */
import { join } from 'node:path';
import { runScript } from '../index.ts';
import { PRY } from './secrets.ts';
import { testSandbox } from './test-sandbox.ts';

const [workDir = '', job = '', wanted = ''] = process.argv.slice(2);
const sandbox = await testSandbox({ python: '/usr/bin/python3', workDir });
if (!sandbox.isolates) throw new Error('the sandbox does not work');
const access = { read: [], write: [join(job, 'work')] };
const { stdout, stderr } = await runScript(sandbox, { args: [PRY, wanted], scripts: [PRY], access, timeoutMs: 30_000 });
process.stderr.write(stderr);
process.stdout.write(stdout);
