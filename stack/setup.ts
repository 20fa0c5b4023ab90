import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath } from './processes/find-on-path.ts';
import { cacheFolder } from './setup/cache-folder.ts';
import {
  type EnvironmentSpec,
  ensureEnvironment,
  environmentFolder,
  REQUIREMENTS,
  type SetupContext,
} from './setup/environments.ts';
import { ensureSampleData, sampleDataFolder } from './setup/sample-data.ts';
import { temporalOnPath } from './setup/temporal-on-path.ts';

/** The parts of the stack, for callers that need only some of them. */
export type Part = 'servers' | 'sleap-nn' | 'samples';

/** Absolute paths of the stack's programs and data. */
export interface Tools {
  /** The Python in which `sleap_nn` can be imported. */
  python: string;
  temporal: string;
  /** Temporal's time-skipping test server. */
  temporalTestServer: string;
  /** SeaweedFS. */
  weed: string;
  /** Folder with `minimal_instance.pkg.slp` and other real labels and videos, and their LICENSE. */
  sampleDataDir: string;
}

/** What to install. */
export interface SetupOptions {
  /** Default: all. The paths of other parts are returned too, but there may be nothing. */
  parts?: readonly Part[];
  /** Called with a sentence before each slow step; it names the usual time. Not called if everything is installed. */
  onProgress?: (message: string) => void;
  /** Default: `gpu` if the machine has `nvidia-smi`. A GPU needs another 1.2 GB of CUDA packages. */
  accelerator?: 'cpu' | 'gpu';
  /** Default: SLEAP_RTC_CACHE, else the user's cache folder. */
  cache?: string;
  signal?: AbortSignal;
}

const SERVERS: EnvironmentSpec = {
  name: 'servers',
  title: 'Temporal and SeaweedFS',
  typical: 'about 5 s (120 MB to download)',
  sizeBytes: 0.5e9,
};

const SLEAP_NN = {
  title: 'sleap-nn',
  typical: 'half a minute on a fast line, a few minutes on a slow one (2 GB to download)',
  verify: 'import sleap_nn',
};

/**
 * Installs what the stack needs, without root, into the user's cache folder: Temporal, SeaweedFS, a Python environment with
 * sleap-nn, and sample data, each pinned by version and hash. Safe to call from several processes at once, and after one
 * was killed. Takes milliseconds if everything is installed. A `temporal` on the PATH is preferred, if it is new enough.
 * @throws SleapRtcError SETUP_FAILED without a suitable Python or network, DISK_FULL
 */
export async function ensureTools(options: SetupOptions = {}): Promise<Tools> {
  const parts = new Set(options.parts ?? ['servers', 'sleap-nn', 'samples']);
  const context: SetupContext = {
    cache: options.cache ?? cacheFolder(),
    requirements: REQUIREMENTS,
    onProgress: options.onProgress ?? (() => {}),
    signal: options.signal,
  };
  await mkdir(context.cache, { recursive: true });
  const accelerator = options.accelerator ?? ((await findOnPath('nvidia-smi')) ? 'gpu' : 'cpu');
  const sleapNn: EnvironmentSpec =
    accelerator === 'gpu'
      ? { ...SLEAP_NN, name: 'sleap-nn-gpu', sizeBytes: 8e9 }
      : { ...SLEAP_NN, name: 'sleap-nn', sizeBytes: 6.5e9 };
  // One after the other: they share the network, and the first one prepares the installer for the others.
  const servers = parts.has('servers')
    ? await ensureEnvironment(context, SERVERS)
    : await environmentFolder(context, SERVERS.name);
  const samples = parts.has('samples') ? await ensureSampleData(context) : await sampleDataFolder(context);
  const python = parts.has('sleap-nn')
    ? await ensureEnvironment(context, sleapNn)
    : await environmentFolder(context, sleapNn.name);
  return {
    python: join(python, 'bin/python'),
    temporal: (await temporalOnPath()) ?? join(servers, 'bin/temporal'),
    temporalTestServer: join(servers, 'bin/temporal-test-server'),
    weed: join(servers, 'bin/weed'),
    sampleDataDir: samples,
  };
}
