import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { execa } from 'execa';
import type { FileEntry } from '../../protocol/files.ts';
import { MEMORY_ROOM } from '../../signaling/testing/memory-server.ts';
import { cacheFolder } from '../../stack/setup/cache-folder.ts';
import { ensureEnvironment, REQUIREMENTS } from '../../stack/setup/environments.ts';
import { temporaryFolder } from '../../transport/testing/temporary-folder.ts';
import { type ReferencePeer, ReferenceRun, type ReferenceStack, type ReferenceTask } from './reference-peer.ts';

const MAIN = join(import.meta.dirname, 'aiortc/main.py');

/** The reference peer in Python. Its packages are installed here, the first time, since only these tests need them. */
export async function aiortc(): Promise<ReferenceStack> {
  const context = { cache: cacheFolder(), requirements: REQUIREMENTS, onProgress: () => undefined };
  const environment = await ensureEnvironment(context, {
    name: 'interop',
    title: 'aiortc',
    typical: 'about 3 s (50 MB to download)',
    sizeBytes: 3e8,
    verify: 'import aiortc, websockets',
  });
  return {
    peer: async () => new PythonPeer(join(environment, 'bin/python'), await temporaryFolder()),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

/** Each task is a process. All of them share the folder. */
class PythonPeer implements ReferencePeer {
  readonly #python: string;
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>;
  readonly #runs: ReferenceRun[] = [];

  constructor(python: string, folder: Awaited<ReturnType<typeof temporaryFolder>>) {
    this.#python = python;
    this.#folder = folder;
  }

  async start(task: ReferenceTask): Promise<ReferenceRun> {
    const process_ = execa(this.#python, [MAIN, ...this.#arguments(task)], {
      stdin: 'ignore',
      stderr: 'inherit',
      reject: false,
    });
    const run = new ReferenceRun(async () => {
      process_.kill('SIGKILL');
      await process_;
    });
    this.#runs.push(run);
    const readReports = async () => {
      for await (const line of process_.iterable()) run.take(JSON.parse(String(line)));
    };
    void readReports().finally(() => run.end());
    await run.until(({ ready }) => ready === true);
    return run;
  }

  async received(): Promise<FileEntry[]> {
    const root = this.#folder.path;
    const found = await readdir(root, { recursive: true, withFileTypes: true });
    const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return Promise.all(
      paths.map(async (path) => {
        const content = await readFile(path);
        const sha256 = createHash('sha256').update(content).digest('hex');
        return { path: relative(root, path), size_bytes: content.length, sha256 };
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#runs.map((run) => run.cut()));
    await this.#folder.close();
  }

  #arguments({ part, serverUrl, roomKey, peerId, offerTo, folder }: ReferenceTask): string[] {
    const options = {
      server: serverUrl,
      room: 'test-room',
      token: MEMORY_ROOM.token,
      'id-token': 'id-token',
      'room-key': roomKey,
      'peer-id': peerId,
      ...(offerTo !== undefined && { 'offer-to': offerTo }),
    };
    const flags = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    return [part, part === 'send' ? folder : this.#folder.path, ...flags];
  }
}
