import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { SleapRtcError } from '../../protocol/errors.ts';
import { childEnvironment } from '../processes/child-environment.ts';
import { matplotlibCache } from './matplotlib-cache.ts';
import { empty, inOrder, type Mount, type Proc, readOnly, SANDBOX_HOME, systemMounts, writable } from './mounts.ts';
import { pythonPaths } from './python-paths.ts';
import { syscallFilter } from './syscall-filter.ts';

/** The script by which a process that waits for its job in the sandbox gets the job's files. */
export const LATE_MOUNTS = fileURLToPath(new URL('late_mounts.py', import.meta.url));
/** Where that script finds the worker's folder. It names the same paths. */
const OUTSIDE = '/run/sleap-rtc';
/** The inherited file descriptor from which bwrap reads its filter of system calls. */
const FILTER_FD = 4;

/** Variables that name places outside the sandbox, or a network that it does not have. */
const OUTSIDE_VARIABLE =
  /^(HOME|USER|TMPDIR|XDG_CACHE_HOME|MPLCONFIGDIR|NUMBA_CACHE_DIR|TORCH_HOME|HF_.*|SSL_CERT_FILE|.*_proxy|.*_PROXY)$/;

/** The files that a process may use, as absolute paths below the worker's folder. */
export interface FileAccess {
  /** Left out if they do not exist. */
  read: readonly string[];
  /** These must exist. */
  write: readonly string[];
}

/** A process to be started. */
export interface SandboxCommand {
  file: string;
  args: string[];
  /** The whole environment. */
  env: Record<string, string>;
  /** If set, it must be the content of the pipe with file descriptor 4. */
  filter: Buffer | undefined;
}

/**
 * Runs the worker's Python on files that strangers may have made: labels can point at other files, and a model is code. In the
 * sandbox a process sees no other process, no network, nothing of the worker's environment, and of its files only those that
 * its job needs. `Sandbox.none` runs it with the clean environment only.
 */
export class Sandbox {
  /** The Python of this sandbox. */
  readonly python: string;
  /** True if processes are isolated. */
  readonly isolates: boolean;
  readonly #mounts: readonly Mount[];
  readonly #workDir: string;
  readonly #env: Record<string, string>;

  private constructor(python: string, workDir: string, inside?: { mounts: Mount[]; env: Record<string, string> }) {
    this.python = python;
    this.isolates = inside !== undefined;
    this.#workDir = workDir;
    this.#mounts = inside?.mounts ?? [];
    this.#env = inside?.env ?? childEnvironment();
  }

  /** Isolates nothing. */
  static none(python: string): Sandbox {
    return new Sandbox(python, '');
  }

  /**
   * A sandbox of bubblewrap; whether it works here is not checked.
   * @param options.workDir the worker's folder, of which a process sees only what it is given
   * @throws SleapRtcError INTERNAL if Python does not start
   */
  static async of(options: { python: string; workDir: string; proc: Proc }): Promise<Sandbox> {
    const { python, workDir, proc } = options;
    if (syscallFilter() === undefined) {
      throw new SleapRtcError('INTERNAL', `There is no filter of system calls for ${process.arch} machines.`);
    }
    const outside = childEnvironment();
    const paths = await pythonPaths(python, outside);
    const tooWide = paths.find((path) => `${homedir()}/`.startsWith(`${path}/`));
    if (tooWide !== undefined) {
      throw new SleapRtcError(
        'INTERNAL',
        `The Python environment is the whole of ${tooWide}, which has more than Python.`,
      );
    }
    const mounts = [
      ...(await systemMounts(process.env, proc)),
      ...paths.map(readOnly),
      ...(await matplotlibCache(outside)),
      ...(paths.includes(workDir) ? [] : [empty(workDir)]),
    ];
    const env = Object.fromEntries(Object.entries(outside).filter(([name]) => !OUTSIDE_VARIABLE.test(name)));
    return new Sandbox(python, workDir, {
      mounts,
      env: { ...env, HOME: SANDBOX_HOME, USER: 'sleap-nn', LOGNAME: 'sleap-nn' },
    });
  }

  /** Runs the Python with these arguments. `scripts` are our own files that it needs. */
  command(args: readonly string[], scripts: readonly string[], access: FileAccess): SandboxCommand {
    const files = [...access.read.map(readOnly), ...access.write.map(writable)];
    return this.#command(args, [...scripts.map(readOnly), ...files], ['--cap-drop', 'ALL']);
  }

  /**
   * Runs a process of ours that waits for its job, and gives it the job's files with `late_mounts.py` when the job is known. It is
   * process 1 in the sandbox, so that everything in there ends with it, and signals reach it, but not bwrap.
   * @param access what it needs if the job is known now
   */
  launch(args: readonly string[], scripts: readonly string[], access?: FileAccess): SandboxCommand {
    if (!this.isolates) return this.command(args, scripts, { read: [], write: [] });
    if (access !== undefined) return leader(this.command(args, scripts, access));
    const later: Mount[] = [
      { path: `${OUTSIDE}/read`, args: ['--ro-bind', this.#workDir, `${OUTSIDE}/read`] },
      { path: `${OUTSIDE}/write`, args: ['--bind', this.#workDir, `${OUTSIDE}/write`] },
    ];
    const capability = ['--cap-drop', 'ALL', '--cap-add', 'CAP_SYS_ADMIN'];
    return leader(this.#command(args, [...scripts.map(readOnly), ...later], capability));
  }

  /** What `late_mounts.grant` is given. */
  lateAccess(access: FileAccess): (FileAccess & { folder: string }) | undefined {
    return this.isolates ? { ...access, folder: this.#workDir } : undefined;
  }

  #command(args: readonly string[], mounts: readonly Mount[], capabilities: readonly string[]): SandboxCommand {
    if (!this.isolates) return { file: this.python, args: [...args], env: this.#env, filter: undefined };
    const filter = syscallFilter();
    return {
      file: 'bwrap',
      args: [
        ...['--unshare-all', '--unshare-user', '--uid', '1000', '--gid', '1000', '--hostname', 'sleap-nn'],
        ...['--die-with-parent', ...capabilities],
        ...(filter === undefined ? [] : ['--seccomp', String(FILTER_FD)]),
        ...inOrder([...this.#mounts, ...mounts]),
        ...['--chdir', '/', '--', this.python, ...args],
      ],
      env: this.#env,
      filter,
    };
  }
}

/** bwrap's own process must outlive a signal to the group, or the sandbox would be killed before it could end by itself. */
function leader(command: SandboxCommand): SandboxCommand {
  const { file, args } = command;
  return { ...command, file: 'env', args: ['--ignore-signal=TERM,INT,HUP', file, '--as-pid-1', ...args] };
}
