import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { runScript, type Sandbox } from '../../../activities/sandbox/index.ts';
import { type Capabilities, detectCapabilities } from './capabilities.ts';

/** Least free space that a job's data and checkpoints need, in bytes. */
const MIN_FREE_BYTES = 2 * 2 ** 30;
/** sleap-nn's imports take 15 s on a slow machine; a disk or driver that hangs must not keep the check from ending. */
const IMPORT_TIMEOUT_MS = 120_000;

/** Computes something on the GPU. That its memory is taken, by a job that runs meanwhile or by another program, is no defect. */
const USE_GPU = `
assert torch.cuda.is_available(), "CUDA is not available"
try:
    ones = torch.ones(64, 64, device="cuda")
    assert (ones @ ones).sum().item() == 64.0 ** 3, "the GPU computes wrong results"
except torch.OutOfMemoryError:
    pass
`;

/** What the self-check examines. */
interface SelfCheckOptions {
  workDir: string;
  sandbox: Sandbox;
  /** What the worker had when it started. */
  capabilities: Capabilities;
}

/** Checks whether a worker could do jobs: free disk space, its GPU, sleap-nn. @returns the first problem, as a sentence */
export async function selfCheck(options: SelfCheckOptions): Promise<string | undefined> {
  const { workDir, sandbox, capabilities } = options;
  const { bavail, bsize } = await statfs(workDir);
  const free = bavail * bsize;
  if (free < MIN_FREE_BYTES) {
    return `The worker’s disk has ${gigabytes(free)} left; at least ${gigabytes(MIN_FREE_BYTES)} are needed.`;
  }
  const unwritable = await writeProblem(workDir);
  if (unwritable !== undefined) return unwritable;
  const now = await detectCapabilities();
  if (now.gpuMemoryMb < capabilities.gpuMemoryMb) return `The GPU ${capabilities.gpuModel} no longer answers.`;
  const program = `import torch, sleap_nn.cli\n${capabilities.gpuMemoryMb > 0 ? USE_GPU : ''}`;
  const { failed, stderr } = await runScript(sandbox, {
    args: ['-c', program],
    scripts: [],
    access: { read: [], write: [] },
    timeoutMs: IMPORT_TIMEOUT_MS,
  });
  return failed ? `sleap-nn does not start: ${stderr.trim().split('\n').at(-1) ?? ''}` : undefined;
}

/** Writes a file to the worker's disk: a disk that is broken, or mounted read-only, has free space all the same. */
async function writeProblem(workDir: string): Promise<string | undefined> {
  const path = join(workDir, `.self-check-${process.pid}`);
  try {
    const file = await open(path, 'w');
    try {
      await file.write(Buffer.alloc(2 ** 20));
      await file.sync();
    } finally {
      await file.close();
    }
    return undefined;
  } catch (error) {
    return `The worker’s disk cannot be written to: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
