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

/** Parses `name, MiB` of the first line. Returns undefined if it is something else. */
export function parseNvidiaSmi(output: string): Capabilities | undefined {
  const [, gpuModel, memory] = /^(.+), *(\d+)\s*$/m.exec(output) ?? [];
  return gpuModel === undefined ? undefined : { gpuModel, gpuMemoryMb: Number(memory) };
}

function cpuOnly(): Capabilities {
  const [first] = cpus();
  return { gpuModel: `none (${first?.model.trim() || 'CPU'})`, gpuMemoryMb: 0 };
}
