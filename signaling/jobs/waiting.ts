import type { JobRequirements } from '../../protocol/jobs/job.ts';
import type { Waiting } from '../../protocol/jobs/job-view.ts';
import { unmetRequirement, type WorkerOffer } from '../../protocol/temporal/session-queues.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';

/** A job that waits for a worker. */
export interface QueuedJob {
  job_id: string;
  user_id: string;
  submitted_at: string;
  priority: number;
  requirements: JobRequirements;
}

interface Worker extends WorkerOffer {
  status: string;
}

/**
 * The place in line of each waiting job of a room and why it waits, by job id.
 *
 * The order is Temporal's, as far as it can be known from outside: a higher priority goes first; users of one priority take
 * turns (each job has its user as fairness key), and a user's own jobs go in the order of their submission. Only jobs that could
 * take a worker which this job could take are ahead of it.
 */
export function describeWaits(queue: readonly QueuedJob[], peers: readonly PeerInfo[]): Map<string, Waiting> {
  const workers = peers.filter(({ role }) => role === 'worker').map(workerOf);
  const alike = Map.groupBy(queue, ({ requirements }) => JSON.stringify(requirements));
  const waits = new Map<string, Waiting>();
  for (const jobs of alike.values()) for (const [id, wait] of waitsOf(jobs, queue, workers)) waits.set(id, wait);
  return waits;
}

/** The waits of jobs with the same requirements, which compete with the same jobs. */
function* waitsOf(jobs: QueuedJob[], queue: readonly QueuedJob[], workers: Worker[]): Iterable<[string, Waiting]> {
  const requirements = jobs[0]?.requirements ?? {};
  const fitting = workers.filter((worker) => unmetRequirement(requirements, worker) === undefined);
  const free = fitting.filter(({ status }) => status === 'available').length;
  const line = inOrder(
    queue.filter(
      (other) =>
        fitting.length === 0 ||
        jobs.includes(other) ||
        fitting.some((worker) => unmetRequirement(other.requirements, worker) === undefined),
    ),
  );
  for (const job of jobs) {
    const position = line.indexOf(job) + 1;
    const favoured = line.filter(({ priority }) => priority < job.priority).length;
    yield [
      job.job_id,
      {
        position,
        queued: line.length,
        workers_fitting: fitting.length,
        workers_free: free,
        sentence: sentence(requirements, { position, favoured }, workers, fitting),
      },
    ];
  }
}

/** By priority. Within one, every user's first job, then every user's second; among those the earlier one goes first. */
function inOrder(jobs: QueuedJob[]): QueuedJob[] {
  const bySubmission = jobs.toSorted((a, b) => a.submitted_at.localeCompare(b.submitted_at));
  const turns = new Map<string, number>();
  const turnOf = new Map<QueuedJob, number>();
  for (const job of bySubmission) {
    const line = `${job.priority} ${job.user_id}`;
    const turn = turns.get(line) ?? 0;
    turns.set(line, turn + 1);
    turnOf.set(job, turn);
  }
  // Stable: the earlier stays first.
  return bySubmission.toSorted((a, b) => a.priority - b.priority || (turnOf.get(a) ?? 0) - (turnOf.get(b) ?? 0));
}

function sentence(
  wanted: JobRequirements,
  { position, favoured }: { position: number; favoured: number },
  workers: Worker[],
  fitting: Worker[],
): string {
  const kind = kindOf(wanted);
  if (fitting.length === 0) {
    if (workers.length === 0) return 'No worker is in the room';
    const here =
      workers.length === 1
        ? 'the only worker in the room is not one'
        : `none of the ${workers.length} in the room is one`;
    return `The job needs ${kind}: ${here}`;
  }
  const before = favoured === 0 ? '' : `, ${favoured} of higher priority before it`;
  return `${ordinal(position)} in line for ${kind}${before}: ${standing(fitting)}`;
}

/** E.g. `2 workers fit, 1 busy, 1 unhealthy` or `gpu-1 fits, busy`. */
function standing(fitting: Worker[]): string {
  const [only] = fitting;
  if (only !== undefined && fitting.length === 1) return `${only.name} fits, ${only.status}`;
  const counts = Map.groupBy(fitting, ({ status }) => status);
  const parts = [...counts].map(
    ([status, some]) => `${some.length === fitting.length ? 'all' : some.length} ${status}`,
  );
  return `${fitting.length} workers fit, ${parts.join(', ')}`;
}

function kindOf({ worker, min_gpu_memory_mb: memory = 0, tags = [] }: JobRequirements): string {
  if (worker !== undefined) return `worker ${worker}`;
  const needs = [
    ...(memory > 0 ? [`at least ${memory} MB of GPU memory`] : []),
    ...(tags.length > 0 ? [`${tags.length === 1 ? 'the tag' : 'the tags'} ${tags.join(', ')}`] : []),
  ];
  return needs.length === 0 ? 'a worker' : `a worker with ${needs.join(' and ')}`;
}

function workerOf({ peer_id, metadata: { tags, properties } }: PeerInfo): Worker {
  const { gpu_memory_mb: memory, status } = properties;
  const gpuMemoryMb = typeof memory === 'number' ? memory : 0;
  return { name: peer_id, tags, gpuMemoryMb, status: typeof status === 'string' ? status : 'of unknown status' };
}

function ordinal(n: number): string {
  const ends: Record<string, string> = { one: 'st', two: 'nd', few: 'rd' };
  return `${n}${ends[new Intl.PluralRules('en', { type: 'ordinal' }).select(n)] ?? 'th'}`;
}
