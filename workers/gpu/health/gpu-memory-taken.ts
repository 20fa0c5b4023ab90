import { SleapRtcError } from '../../../protocol/errors.ts';
import { gpuMemory } from './capabilities.ts';

/** So much of a GPU's memory is in use without any program of a user, at most: the driver's, or a desktop's. */
const IDLE_MB = 1_024;
const IDLE_PART = 0.1;

/**
 * If a job ran out of GPU memory, and much of it is still in use although the job's processes have ended, another program has it. That is
 * asked of the driver, not read from the job's log.
 * @returns GPU_MEMORY_TAKEN then, and any other error as it is
 */
export async function gpuMemoryTakenOr(error: unknown, readMemory = () => gpuMemory()): Promise<unknown> {
  if (!(error instanceof SleapRtcError) || error.code !== 'GPU_OUT_OF_MEMORY') return error;
  const memory = await readMemory();
  if (memory === undefined) return error;
  const { usedMb, totalMb } = memory;
  if (usedMb <= Math.max(IDLE_MB, IDLE_PART * totalMb)) return error;
  const sentence = `Another program uses ${gigabytes(usedMb)} of the ${gigabytes(totalMb)} of the worker’s GPU memory.`;
  return new SleapRtcError('GPU_MEMORY_TAKEN', sentence, { cause: error });
}

function gigabytes(mebibytes: number): string {
  return `${((mebibytes * 2 ** 20) / 1e9).toFixed(1)} GB`;
}
