import { join } from 'node:path';
import type { Logger } from 'pino';
import type { SandboxState } from '../../../activities/sandbox/index.ts';
import type { DatasetStore } from '../../../activities/transfer/index.ts';
import type { RoomKey } from '../../../protocol/room-key.ts';
import type { WorkerOffer } from '../../../protocol/temporal/session-queues.ts';
import type { Bucket } from '../../../storage/index.ts';
import { type IceTransportPolicy, SignalingClient, type WebRtcChoice } from '../../../transport/index.ts';
import type { Cleanup } from '../../cleanup.ts';
import type { Drain } from '../slot/drain.ts';
import type { GpuSlot } from '../slot/gpu-slot.ts';
import { workerIdentity } from './identity.ts';
import { ManifestCopy } from './manifest-copy.ts';
import { modelsInCache, Presence, workerMetadata } from './presence.ts';
import { ProgressReporter } from './progress-reporter.ts';
import { Refusal } from './refusal.ts';

/** The part of the worker's configuration that concerns its room. */
interface RoomConfig {
  serverUrl: string;
  room: string;
  token: string;
  roomKey: RoomKey;
  name: string;
  workDir: string;
  bucket: string;
  iceTransportPolicy: IceTransportPolicy;
  webRtc: WebRtcChoice;
}

interface JoinRoomOptions {
  config: RoomConfig;
  slot: GpuSlot;
  drain: Drain;
  offer: WorkerOffer;
  gpuModel: string;
  sandbox: SandboxState;
  datasets: DatasetStore;
  bucket: Bucket;
  /** Called when the room has accepted the worker: before, a process of the same name may live. */
  onAccepted: () => Promise<void>;
  logger: Logger;
  signal: AbortSignal;
}

/** What a worker has of its room. */
interface Room {
  signaling: SignalingClient;
  refusal: Refusal;
  presence: Presence;
  progress: ProgressReporter;
  manifest: ManifestCopy;
}

/**
 * Signs in, registers with the signaling server and reads the room's manifest: the first steps of the seed's worker lifecycle.
 * @throws SleapRtcError SERVER_UNREACHABLE, TOKEN_REFUSED, PEER_ID_TAKEN
 */
export async function joinRoom(options: JoinRoomOptions, cleanup: Cleanup): Promise<Room> {
  const { config, slot, drain, offer, gpuModel, sandbox, datasets, bucket, logger, signal } = options;
  const self = {
    slot,
    offer,
    gpuModel,
    sandbox,
    cachedModels: () => modelsInCache(join(config.workDir, 'models')),
    localData: () => datasets.largestFiles(),
  };
  const signaling = await SignalingClient.connect({
    serverUrl: config.serverUrl,
    roomId: config.room,
    token: config.token,
    roomKey: config.roomKey,
    identity: workerIdentity(config.serverUrl, signal),
    peerId: config.name,
    role: 'worker',
    metadata: await workerMetadata(self),
    iceTransportPolicy: config.iceTransportPolicy,
    webRtc: config.webRtc,
    signal,
    logger,
  });
  cleanup.add(() => signaling.close());
  const refusal = new Refusal({ signaling, drain, logger });
  cleanup.add(() => refusal.close());
  await options.onAccepted();
  const presence = new Presence({ ...self, signaling, drain, logger });
  cleanup.add(() => presence.close());
  const progress = new ProgressReporter({ signaling, slot, logger });
  cleanup.add(() => progress.close());
  const manifest = new ManifestCopy({ bucket, room: config.room, logger });
  cleanup.add(() => manifest.close());
  await manifest.start(signal);
  return { signaling, refusal, presence, progress, manifest };
}
