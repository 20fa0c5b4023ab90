import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SleapRtcError } from '../../protocol/errors.ts';
import { installFolder } from './cache-folder.ts';
import { uvEnvironment } from './index-settings.ts';
import { installOnce } from './install-once.ts';
import { chosenPython, findPython } from './python.ts';
import { runStep } from './run-step.ts';

/** Shared by all installations of one `ensureTools`. */
export interface SetupContext {
  cache: string;
  /** Folder of the lock files. */
  requirements: string;
  onProgress: (message: string) => void;
  signal?: AbortSignal | undefined;
}

/** The lock files that belong to this release. */
export const REQUIREMENTS = fileURLToPath(new URL('../requirements/', import.meta.url));

/** A virtual environment described by a lock file of the same name. */
export interface EnvironmentSpec {
  name: string;
  title: string;
  /** The usual time, in words, for the progress message. */
  typical: string;
  /** Disk space that it takes. */
  sizeBytes: number;
  /** Python statements that must run once it is installed. */
  verify?: string;
}

/** The folder of a virtual environment, whether or not it exists. */
export function environmentFolder(context: SetupContext, name: string): Promise<string> {
  const lockFile = join(context.requirements, `${name}.txt`);
  return installFolder(context.cache, name, lockFile, [process.platform, process.arch, chosenPython() ?? '']);
}

/** The environment with uv, which installs the others. Python's own venv and pip create it. */
async function ensureInstaller(context: SetupContext): Promise<{ python: string; uv: string }> {
  const dir = await environmentFolder(context, 'tools');
  const python = join(dir, 'bin/python');
  const { onProgress, signal } = context;
  const step = { logFile: `${dir}.log`, signal };
  await installOnce({
    dir,
    title: 'the Python installer (uv)',
    mustExist: 'bin/python',
    onProgress,
    signal,
    make: async (stop) => {
      const base = await findPython(stop);
      onProgress(`Installing the Python installer (uv) with ${base}; about 5 s`);
      const what = 'The Python environment for the installer could not be made';
      await runStep(what, { ...step, command: base, args: ['-m', 'venv', dir], signal: stop });
      const lockFile = join(context.requirements, 'tools.txt');
      const install = ['-m', 'pip', 'install', '--no-input', '--require-hashes', '--only-binary=:all:', '-r', lockFile];
      await runStep('uv could not be installed', { ...step, command: python, args: install, signal: stop });
    },
  });
  return { python, uv: join(dir, 'bin/uv') };
}

/** Creates a virtual environment exactly as its lock says, unless it exists, and returns its folder. */
export async function ensureEnvironment(context: SetupContext, spec: EnvironmentSpec): Promise<string> {
  const dir = await environmentFolder(context, spec.name);
  const { onProgress, signal } = context;
  await installOnce({
    dir,
    title: spec.title,
    mustExist: 'bin/python',
    onProgress,
    signal,
    make: async (stop) => {
      await checkSpace(context.cache, spec);
      const installer = await ensureInstaller({ ...context, signal: stop });
      onProgress(`Installing ${spec.title}; ${spec.typical}`);
      const step = { logFile: `${dir}.log`, signal: stop, env: await uvEnvironment(installer.python) };
      const what = `${spec.title} could not be installed`;
      const base = await findPython(stop);
      await runStep(what, { ...step, command: installer.uv, args: ['venv', '--python', base, '--clear', dir] });
      const python = join(dir, 'bin/python');
      const lockFile = join(context.requirements, `${spec.name}.txt`);
      const sync = ['pip', 'sync', '--python', python, '--require-hashes', '--compile-bytecode', lockFile];
      await runStep(what, { ...step, command: installer.uv, args: sync });
      if (spec.verify)
        await runStep(`${spec.title} does not run`, { ...step, command: python, args: ['-c', spec.verify] });
    },
  });
  return dir;
}

/** The sources of a lock file with one source distribution, downloaded into `into`, which exists. */
export async function downloadSource(
  context: SetupContext,
  name: string,
  into: string,
  logFile: string,
): Promise<string> {
  const { python } = await ensureInstaller(context);
  const lockFile = join(context.requirements, `${name}.txt`);
  const download = ['-m', 'pip', 'download', '--no-input', '--no-deps', '--no-binary=:all:', '--no-build-isolation'];
  const args = [...download, '--require-hashes', '-r', lockFile, '-d', into];
  await runStep(`${name} could not be downloaded`, { command: python, args, logFile, signal: context.signal });
  return python;
}

async function checkSpace(folder: string, spec: EnvironmentSpec): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize > spec.sizeBytes) return;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new SleapRtcError(
    'DISK_FULL',
    `${spec.title} needs ${gigabytes(spec.sizeBytes)} in ${folder}, but only ${gigabytes(bavail * bsize)} are free.`,
    { remedy: 'Free some space, or set SLEAP_RTC_CACHE to a folder on a larger disk.' },
  );
}
