import { readdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import { ModelId } from '../../protocol/ids.ts';
import type { JobRequirements } from '../../protocol/job.ts';
import type { PeerPayload, ProgressMessage } from '../../protocol/peer-messages.ts';
import { EVERYONE, type PeerMetadata } from '../../protocol/signaling.ts';
import type { SignalingClient } from '../../transport/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { GpuSlot } from './gpu-slot.ts';

interface PresenceOptions {
  signaling: SignalingClient;
  slot: GpuSlot;
  name: string;
  capabilities: Capabilities;
  tags: string[];
  cachedModels: () => Promise<string[]>;
  logger: Logger;
}

/** What a worker tells its room of itself; `status` and `job_id` follow the GPU slot. */
export async function workerMetadata(
  options: Pick<PresenceOptions, 'slot' | 'capabilities' | 'tags' | 'cachedModels'>,
): Promise<PeerMetadata> {
  const { slot, capabilities, tags, cachedModels } = options;
  return {
    tags: ['training-worker', 'inference-worker', ...tags],
    properties: {
      gpu_model: capabilities.gpuModel,
      gpu_memory_mb: capabilities.gpuMemoryMb,
      status: slot.free ? 'available' : 'busy',
      job_id: slot.jobId ?? null,
      models: await cachedModels(),
    },
  };
}

/** The ids of the models whose whole folder is in the cache. */
export async function modelsInCache(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => ModelId.safeParse(name).success);
}

/** Keeps the room informed of this worker, and answers what peers ask it. */
export class Presence implements Disposable {
  readonly #options: PresenceOptions;
  readonly #offs: (() => void)[];
  /** Updates go out one after the other, so that the last one sent is the newest. */
  #updates: Promise<void> = Promise.resolve();

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { signaling, slot } = options;
    this.#offs = [
      slot.onChange(() => this.refresh()),
      signaling.on('peer_message', ({ from_peer_id, payload }) => void this.#answer(from_peer_id, payload)),
    ];
  }

  /** Sends the worker's present state to the room; a server that is away gets it when it is back. */
  refresh(): void {
    const options = this.#options;
    this.#updates = this.#updates
      .then(async () => options.signaling.updateMetadata(await workerMetadata(options)))
      .catch((error: unknown) => options.logger.warn({ err: error }, 'presence update failed'));
  }

  /** Sends live progress to the room. Losing one loses nothing but smoothness, so failures are not retried. */
  readonly publishProgress = (progress: Omit<ProgressMessage, 'type' | 'worker' | 'at'>): void => {
    const { name } = this.#options;
    this.#send(EVERYONE, { type: 'progress', worker: name, at: new Date().toISOString(), ...progress });
  };

  [Symbol.dispose](): void {
    for (const off of this.#offs) off();
  }

  #send(to: string, payload: PeerPayload): void {
    const { signaling, logger } = this.#options;
    if (!signaling.connected) return;
    signaling.sendPeerMessage(to, payload).catch((error: unknown) => logger.debug({ err: error }, 'peer message lost'));
  }

  async #answer(sender: string, payload: PeerPayload): Promise<void> {
    const { cachedModels, slot } = this.#options;
    if (payload.type === 'registry_query') {
      const cached = new Set(await cachedModels());
      const has_models = Object.fromEntries(payload.model_ids.map((id) => [id, cached.has(id)]));
      this.#send(sender, { type: 'registry_response', has_models });
    } else if (payload.type === 'job_request') {
      const reason = refusal(payload.requirements, this.#options);
      const accepted = reason === undefined;
      const now = slot.free ? 'The worker is free.' : 'The worker is busy; the job will wait for its turn.';
      this.#send(sender, { type: 'job_response', job_id: payload.job_id, accepted, reason: reason ?? now });
    }
  }
}

/** Why this worker can't ever take such a job; undefined where it can. */
function refusal(
  needs: JobRequirements,
  { name, capabilities, tags }: Pick<PresenceOptions, 'name' | 'capabilities' | 'tags'>,
): string | undefined {
  if (needs.worker !== undefined && needs.worker !== name) return `This is ${name}.`;
  if ((needs.min_gpu_memory_mb ?? 0) > capabilities.gpuMemoryMb) {
    return `The GPU has ${capabilities.gpuMemoryMb} MB.`;
  }
  const missing = needs.tags?.find((tag) => !tags.includes(tag));
  return missing === undefined ? undefined : `The worker has no tag ${missing}.`;
}
