import type { JobRequirements } from '../jobs/job.ts';

/**
 * The task queue on which a job's session waits, and those that a worker polls.
 *
 * A queue is for one requirement class: a step of GPU memory, and at most one worker tag. A job waits on the queue of the highest
 * step that it asks for and of its first tag; a worker polls every queue whose step and tag it has. A class is coarser than
 * what jobs ask for (10,000 MB waits with 8,000 MB), so a worker checks the exact requirements when a session arrives
 * (`unmetRequirement`), and hands back a session that it cannot take.
 */

/** Steps of GPU memory, in MB, just below the memory that cards of 4, 8, 11, 16, 24, 32, 40, 48, 80, 96 and 141 GB report. */
const MEMORY_STEPS_MB = [4_000, 8_000, 11_000, 16_000, 24_000, 32_000, 40_000, 45_000, 80_000, 95_000, 140_000];

/** What a worker can offer to a job. */
export interface WorkerOffer {
  name: string;
  gpuMemoryMb: number;
  tags: readonly string[];
}

/** The queue on which a job's session waits. */
export function sessionQueueOf(room: string, requirements: JobRequirements): string {
  const { worker, min_gpu_memory_mb: memory = 0, tags = [] } = requirements;
  if (worker !== undefined) return workerQueue(room, worker);
  const [tag] = [...tags].sort();
  return classQueue(room, MEMORY_STEPS_MB.findLast((step) => step <= memory) ?? 0, tag);
}

/** The queues that a worker polls: its own, and those of every class that it meets. */
export function sessionQueuesOf(room: string, { name, gpuMemoryMb, tags }: WorkerOffer): string[] {
  const steps = [0, ...MEMORY_STEPS_MB.filter((step) => step <= gpuMemoryMb)];
  const classes = [undefined, ...new Set(tags)].flatMap((tag) => steps.map((step) => classQueue(room, step, tag)));
  return [workerQueue(room, name), ...classes];
}

/** Returns a sentence that says why a worker can never take a job with these requirements, or undefined if it can. */
export function unmetRequirement(
  requirements: JobRequirements,
  { name, gpuMemoryMb, tags }: WorkerOffer,
): string | undefined {
  const { worker, min_gpu_memory_mb: memory = 0, tags: wanted = [] } = requirements;
  if (worker !== undefined && worker !== name) return `This is ${name}.`;
  if (memory > gpuMemoryMb) return `The GPU has ${gpuMemoryMb} MB.`;
  const missing = wanted.find((tag) => !tags.includes(tag));
  return missing === undefined ? undefined : `The worker has no tag ${missing}.`;
}

function workerQueue(room: string, worker: string): string {
  return `gpu.${room}.worker.${worker}`;
}

function classQueue(room: string, stepMb: number, tag: string | undefined): string {
  return `gpu.${room}.memory.${stepMb}${tag === undefined ? '' : `.tag.${tag}`}`;
}
