import { cpus } from 'node:os';
import { execa } from 'execa';

/** What a worker offers to jobs. `gpuMemoryMb` is 0 on a machine without a GPU, which trains on its CPU. */
export interface Capabilities {
  gpuModel: string;
  gpuMemoryMb: number;
}

/** The driver answers in well under a second; a driver that hangs must not keep the worker from starting. */
const NVIDIA_SMI_TIMEOUT_MS = 10_000;

/** Reads the first GPU's name and memory from `nvidia-smi`. Returns the CPU if that fails. */
export async function detectCapabilities(command = 'nvidia-smi'): Promise<Capabilities> {
  const query = ['--query-gpu=name,memory.total', '--format=csv,noheader,nounits'];
  const result = await execa(command, query, { reject: false, timeout: NVIDIA_SMI_TIMEOUT_MS });
  return (result.failed ? undefined : parseNvidiaSmi(result.stdout)) ?? cpuOnly();
}

/** The memory of the first GPU, in MiB; undefined if `nvidia-smi` does not say. */
export async function gpuMemory(command = 'nvidia-smi'): Promise<{ usedMb: number; totalMb: number } | undefined> {
  const query = ['--query-gpu=memory.used,memory.total', '--format=csv,noheader,nounits'];
  const { failed, stdout = '' } = await execa(command, query, { reject: false, timeout: NVIDIA_SMI_TIMEOUT_MS });
  const [, used, total] = /^(\d+), *(\d+)\s*$/m.exec(failed ? '' : stdout) ?? [];
  return used === undefined ? undefined : { usedMb: Number(used), totalMb: Number(total) };
}

/** Parses `name, MiB` of the first line. Returns undefined if it is something else. */
export function parseNvidiaSmi(output: string): Capabilities | undefined {
  const [, gpuModel, memory] = /^(.+), *(\d+)\s*$/m.exec(output) ?? [];
  return gpuModel === undefined ? undefined : { gpuModel, gpuMemoryMb: Number(memory) };
}

function cpuOnly(): Capabilities {
  const [first] = cpus();
  return { gpuModel: `none (${first?.model.trim() || 'CPU'})`, gpuMemoryMb: 0 };
}
