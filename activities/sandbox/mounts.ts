import { lstat, readdir, readlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** One mount of the sandbox: its place, and bwrap's arguments for it. */
export interface Mount {
  path: string;
  args: readonly string[];
}

/** The folders of a usual Linux system in which programs and libraries are. Some are links into `/usr`. */
const SYSTEM = ['/bin', '/lib', '/lib32', '/lib64', '/sbin', '/nix/store'];
/** What libraries, fonts, the GPU's driver and the time zone need of `/etc`. Its other files may be secret. */
const CONFIGURATION = [
  ...['ld.so.cache', 'ld.so.conf', 'ld.so.conf.d', 'alternatives', 'localtime', 'timezone', 'fonts', 'mime.types'],
  ...['OpenCL', 'vulkan', 'glvnd', 'nvidia'],
].map((name) => join('/etc', name));
const DEVICES = ['null', 'zero', 'full', 'random', 'urandom'];
/** Devices of GPUs: NVIDIA's (Jetson and Windows included), AMD's, and the system's own folder of them. */
const GPU_DEVICE = /^(nvidia.*|nvhost.*|nvmap|dxg|kfd|dri)$/;

/** The home of the sandbox: empty, and gone with it. */
export const SANDBOX_HOME = '/home/sleap-nn';

/** A file or folder that can be read only; left out if it does not exist. */
export function readOnly(path: string): Mount {
  return { path, args: ['--ro-bind-try', path, path] };
}

/** A file or folder that can be written to; it must exist. */
export function writable(path: string): Mount {
  return { path, args: ['--bind', path, path] };
}

/** An empty folder in memory. It hides what is there. */
export function empty(path: string): Mount {
  return { path, args: ['--tmpfs', path] };
}

/**
 * Which `/proc` the sandbox sees. `own` has its own processes only. A system on whose `/proc` something is mounted, as in most
 * containers, refuses that; then it is the `worker`'s, in which other processes can be seen with their command lines. Their
 * environments, memory and files cannot be read: they belong to another user namespace.
 */
export type Proc = 'own' | 'worker';

/** The system that every sandbox sees: programs, libraries, `/proc`, its own `/tmp` and `/dev/shm`, and the GPU's devices. */
export async function systemMounts(env: NodeJS.ProcessEnv, proc: Proc): Promise<Mount[]> {
  const libraries = (env.LD_LIBRARY_PATH ?? '').split(delimiter).filter((path) => path.startsWith('/') && path !== '/');
  const gpus = (await readdir('/dev').catch(() => [])).filter((name) => GPU_DEVICE.test(name));
  return [
    readOnly('/usr'),
    ...(await Promise.all(SYSTEM.map(sameAsOutside))),
    ...[...CONFIGURATION, ...libraries].map(readOnly),
    // PyTorch, CUDA and OpenMP read the processors, their memory and the GPU's place there.
    readOnly('/sys'),
    proc === 'own' ? { path: '/proc', args: ['--proc', '/proc'] } : readOnly('/proc'),
    empty('/dev'),
    ...[...DEVICES, ...gpus]
      .map((name) => join('/dev', name))
      .map((path) => ({ path, args: ['--dev-bind', path, path] })),
    link('/dev/fd', '/proc/self/fd'),
    // PyTorch's data loaders hand batches over in it.
    empty('/dev/shm'),
    empty('/tmp'),
    empty(SANDBOX_HOME),
  ];
}

/** Sorted so that no mount hides another one: a folder comes before what is in it. */
export function inOrder(mounts: readonly Mount[]): string[] {
  return mounts.toSorted((a, b) => (a.path < b.path ? -1 : Number(a.path > b.path))).flatMap(({ args }) => args);
}

async function sameAsOutside(path: string): Promise<Mount> {
  const stat = await lstat(path).catch(() => undefined);
  return stat?.isSymbolicLink() === true ? link(path, await readlink(path)) : readOnly(path);
}

function link(path: string, target: string): Mount {
  return { path, args: ['--symlink', target, path] };
}
