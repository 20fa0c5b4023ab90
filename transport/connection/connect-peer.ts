import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { ConnectionPurpose } from '../../protocol/signaling.ts';
import { within } from '../async/abort.ts';
import type { Engine } from '../engines/engine.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import type { PeerConnection } from './connection.ts';
import { CONNECT_ATTEMPT_MS, CONNECT_ATTEMPTS, CONNECT_PAUSE_MS } from './limits.ts';
import { NegotiatedConnection } from './peer-connection.ts';

/** Whom to connect to, and why. */
export interface ConnectPeerOptions {
  peerId: string;
  purpose: ConnectionPurpose;
  signal?: AbortSignal;
  /** The WebRTC stack. Default: what the signaling client’s `webRtc` chooses. */
  engine?: Engine;
  /** Time for each of the attempts, in ms. Default: 10 s. */
  attemptMs?: number;
}

/**
 * Connects to a peer of the room, as the offerer: in three attempts, or more where some fail early. The caller closes the
 * connection.
 * @throws SleapRtcError PEER_UNKNOWN where the peer is not in the room, PEER_UNREACHABLE where no attempt came through,
 * PEER_NOT_PROVEN where the two do not have the same room key, or somebody stands between them
 */
export async function connectPeer(signaling: SignalingClient, options: ConnectPeerOptions): Promise<PeerConnection> {
  const { signal, attemptMs = CONNECT_ATTEMPT_MS } = options;
  const until = performance.now() + CONNECT_ATTEMPTS * attemptMs;
  let lastError: unknown;
  for (let attempt = 1; attempt <= CONNECT_ATTEMPTS || performance.now() < until; attempt += 1) {
    if (attempt > 1) await delay(CONNECT_PAUSE_MS, undefined, signal === undefined ? {} : { signal });
    try {
      const engine =
        options.engine ??
        signaling.engine({ failedBefore: attempt > 1, tolerant: options.purpose.stripe === 'tolerant' });
      return await connectOnce(signaling, engine, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      const worthAnother = error instanceof SleapRtcError && error.code === 'PEER_UNREACHABLE';
      if (!worthAnother) throw error;
      signaling.logger?.info({ peer: options.peerId, attempt, error: error.message }, 'no connection yet');
      lastError = error;
    }
  }
  throw new SleapRtcError(
    'PEER_UNREACHABLE',
    `No connection to ${options.peerId} came about in ${(CONNECT_ATTEMPTS * attemptMs) / 1000} s.`,
    {
      cause: lastError,
    },
  );
}

async function connectOnce(
  signaling: SignalingClient,
  engine: Engine,
  options: ConnectPeerOptions,
): Promise<PeerConnection> {
  const { peerId, purpose, signal, attemptMs = CONNECT_ATTEMPT_MS } = options;
  const connectionId = randomBytes(12).toString('base64url');
  const offered = Promise.withResolvers<void>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const connection = new NegotiatedConnection(engine, {
    localPeerId: signaling.peerId,
    remotePeerId: peerId,
    side: 'offerer',
    connectionId,
    roomKey: signaling.roomKey,
    purpose,
    iceServers: signaling.iceServers,
    iceTransportPolicy: signaling.iceTransportPolicy,
    onCandidate: (candidate) => {
      // A candidate before its offer would find nobody who expects it.
      void offered.promise
        .then(() => signaling.relay({ type: 'candidate', target: peerId, connection_id: connectionId, candidate }))
        .catch(() => undefined);
    },
  });
  const isOurs = (message: { sender: string; connection_id: string }) =>
    message.sender === peerId && message.connection_id === connectionId;
  const stopListening = [
    signaling.on('answer', (message) => {
      if (isOurs(message)) connection.acceptAnswer(message.sdp).catch(failed.reject);
    }),
    signaling.on('candidate', (message) => {
      if (isOurs(message)) connection.addCandidate(message.candidate).catch(() => undefined);
    }),
  ];
  try {
    const negotiate = async () => {
      const sdp = await connection.offer();
      const sent = signaling.relay({ type: 'offer', target: peerId, connection_id: connectionId, sdp, purpose });
      offered.resolve();
      await Promise.race([Promise.all([sent, connection.ready]), failed.promise]);
    };
    await within(negotiate(), {
      signal,
      timeoutMs: attemptMs,
      onTimeout: () => new SleapRtcError('PEER_UNREACHABLE', `${peerId} did not connect within ${attemptMs} ms.`),
    });
    signaling.logger?.info(
      { peer: peerId, job: purpose.job_id, route: connection.route, webrtc: engine.name },
      'connected',
    );
    return connection;
  } catch (error) {
    void connection.close();
    throw error;
  } finally {
    for (const stop of stopListening) stop();
  }
}
