import { readdir } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { SandboxState } from '../../../activities/sandbox/index.ts';
import { heldFileName } from '../../../protocol/files.ts';
import { ModelId } from '../../../protocol/ids.ts';
import { unmetRequirement, type WorkerOffer } from '../../../protocol/temporal/session-queues.ts';
import type { PeerPayload } from '../../../protocol/wire/peer-messages.ts';
import type { PeerMetadata } from '../../../protocol/wire/signaling.ts';
import type { SignalingClient } from '../../../transport/index.ts';
import type { Drain } from '../slot/drain.ts';
import type { GpuSlot } from '../slot/gpu-slot.ts';

/** Longest reason that is sent to the room, in characters; the log has all of it. */
const MAX_REASON = 500;

interface PresenceOptions {
  signaling: SignalingClient;
  slot: GpuSlot;
  offer: WorkerOffer;
  gpuModel: string;
  sandbox: SandboxState;
  cachedModels: () => Promise<string[]>;
  /** SHA-256s of the data files that need not be sent again. */
  localData: () => Promise<string[]>;
  drain: Pick<Drain, 'start' | 'undo'>;
  logger: Logger;
}

/** What the room sees of a worker; `status` and `job_id` follow the GPU slot. */
export async function workerMetadata(
  options: Pick<PresenceOptions, 'slot' | 'offer' | 'gpuModel' | 'sandbox' | 'cachedModels' | 'localData'>,
): Promise<PeerMetadata> {
  const { slot, offer, gpuModel, sandbox, cachedModels, localData } = options;
  return {
    tags: ['training-worker', 'inference-worker', ...offer.tags],
    properties: {
      gpu_model: gpuModel,
      gpu_memory_mb: offer.gpuMemoryMb,
      sandbox,
      status: slot.status,
      reason: slot.reason?.slice(0, MAX_REASON) ?? null,
      job_id: slot.jobId ?? null,
      models: await cachedModels(),
      data: (await localData()).map(heldFileName),
    },
  };
}

/** The ids of the models whose whole folder is in the cache. */
export async function modelsInCache(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => ModelId.safeParse(name).success);
}

/** Informs the room about this worker, and answers its peers' questions. */
export class Presence {
  readonly #options: PresenceOptions;
  readonly #offs: (() => void)[];
  /** Updates are sent one after the other, so that the last one is the newest. */
  #updates: Promise<void> = Promise.resolve();

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { signaling, slot } = options;
    this.#offs = [
      slot.onChange(() => this.refresh()),
      signaling.on('peer_message', ({ from_peer_id, payload }) => void this.#answer(from_peer_id, payload)),
    ];
  }

  /** Sends the worker's present state to the room. If the server is unavailable, it is sent when the connection is back. */
  refresh(): void {
    const options = this.#options;
    this.#updates = this.#updates
      .then(async () => options.signaling.updateMetadata(await workerMetadata(options)))
      .catch((error: unknown) => options.logger.warn({ err: error }, 'presence update failed'));
  }

  close(): void {
    for (const off of this.#offs) off();
  }

  #send(to: string, payload: PeerPayload): void {
    const { signaling, logger } = this.#options;
    if (!signaling.connected) return;
    signaling.sendPeerMessage(to, payload).catch((error: unknown) => logger.debug({ err: error }, 'peer message lost'));
  }

  async #answer(sender: string, payload: PeerPayload): Promise<void> {
    const { cachedModels, slot, offer, drain } = this.#options;
    if (payload.type === 'registry_query') {
      const cached = new Set(await cachedModels());
      const has_models = Object.fromEntries(payload.model_ids.map((id) => [id, cached.has(id)]));
      this.#send(sender, { type: 'registry_response', has_models });
    } else if (payload.type === 'job_request') {
      const reason = unmetRequirement(payload.requirements, offer);
      const accepted = reason === undefined;
      const now = slot.free ? 'The worker is free.' : 'The worker is busy; the job will wait for its turn.';
      this.#send(sender, { type: 'job_response', job_id: payload.job_id, accepted, reason: reason ?? now });
    } else if (payload.type === 'drain_request') {
      if (payload.drain) drain.start(payload.exit);
      else drain.undo();
      this.#send(sender, { type: 'drain_response', status: slot.status, job_id: slot.jobId ?? null });
    }
  }
}
