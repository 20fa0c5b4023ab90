import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The program that tries to read the secrets. */
export const PRY = fileURLToPath(new URL('pry.py', import.meta.url));

/** No file may contain this: every secret of the test does. */
const CANARY = `canary-${process.pid}-${Date.now()}`;

/** The secrets of a worker, and a network, for a test that tries to take them. */
export interface Secrets {
  canary: string;
  /** Files that hold it, outside the job. */
  files: readonly string[];
  /** What `pry.py` is given. */
  wanted(scratch: string): string;
  /** Throws if one of the files was written to. */
  assertUnchanged(): Promise<void>;
  /** How many connections have been made to the network. */
  connections(): number;
  close(): Promise<void>;
}

/** Puts a secret into the environment of a process, the home, the worker's folder and another job's folder. */
export async function placeSecrets(workDir: string): Promise<Secrets> {
  const env = { PATH: process.env.PATH, AWS_SECRET_ACCESS_KEY: CANARY };
  const beside = spawn('sleep', ['1000'], { env, stdio: 'ignore' });
  process.env.AWS_SECRET_ACCESS_KEY = CANARY;
  const home = await mkdtemp(join(homedir(), '.sleap-rtc-canary-'));
  const other = join(workDir, 'jobs/otherjob1/dataset');
  await mkdir(other, { recursive: true });
  const files = [join(home, 'secret'), join(workDir, 'sign-in.json'), join(other, 'labels.slp')];
  for (const file of files) await writeFile(file, CANARY.repeat(20));
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined); // its client ended first
    socket.end(CANARY);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const processes = ['/proc/1/environ', `/proc/${process.pid}/environ`, `/proc/${beside.pid}/environ`];
  return {
    canary: CANARY,
    files,
    wanted: (scratch) =>
      JSON.stringify({
        ...{ scratch, port, files: [...files, ...processes], write: files },
        folders: [homedir(), home, workDir, join(workDir, 'jobs')],
      }),
    async assertUnchanged() {
      for (const file of files) assert.equal(await readFile(file, 'utf8'), CANARY.repeat(20));
    },
    connections: () => connections,
    async close() {
      beside.kill('SIGKILL');
      delete process.env.AWS_SECRET_ACCESS_KEY;
      server.close();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** The files below a folder that contain the text. */
export async function filesWith(text: string, folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found = await Promise.all(files.map(async (file) => ((await readFile(file)).includes(text) ? [file] : [])));
  return found.flat();
}
