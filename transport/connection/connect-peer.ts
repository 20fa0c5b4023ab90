import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { ConnectionPurpose } from '../../protocol/wire/signaling.ts';
import { within } from '../async/within.ts';
import type { Engine } from '../engines/engine.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import type { PeerConnection } from './connection.ts';
import { CONNECT_ATTEMPT_TIMEOUT_MS, CONNECT_ATTEMPTS, CONNECT_PAUSE_MS } from './limits.ts';
import { NegotiatedConnection } from './peer-connection.ts';

/** Which peer to connect to, and why. */
export interface ConnectPeerOptions {
  peerId: string;
  purpose: ConnectionPurpose;
  signal?: AbortSignal;
  /** The WebRTC stack. Default: the choice of the signaling client. */
  engine?: Engine;
  /** Time limit for each attempt, in ms. Default: 10 s. */
  attemptTimeoutMs?: number;
}

/**
 * Connects to a peer of the room, as the offerer. Makes three attempts, or more if some fail early. The caller closes the
 * connection.
 * @throws SleapRtcError PEER_UNKNOWN if the peer is not in the room, PEER_UNREACHABLE if all attempts fail, PEER_NOT_PROVEN if
 * the two peers do not have the same room key or somebody stands between them
 */
export async function connectPeer(signaling: SignalingClient, options: ConnectPeerOptions): Promise<PeerConnection> {
  const { peerId, signal, attemptTimeoutMs = CONNECT_ATTEMPT_TIMEOUT_MS } = options;
  const until = performance.now() + CONNECT_ATTEMPTS * attemptTimeoutMs;
  let lastError: unknown;
  for (let attempt = 1; attempt <= CONNECT_ATTEMPTS || performance.now() < until; attempt += 1) {
    if (attempt > 1) await delay(CONNECT_PAUSE_MS, undefined, signal === undefined ? {} : { signal });
    const engine = options.engine ?? signaling.engine({ failedBefore: attempt > 1 });
    try {
      return await connectOnce(signaling, engine, { ...options, attemptTimeoutMs });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof SleapRtcError && error.code === 'PEER_UNREACHABLE')) throw error;
      signaling.logger?.info({ peer: peerId, attempt, error: error.message }, 'attempt to connect failed');
      lastError = error;
    }
  }
  const seconds = (CONNECT_ATTEMPTS * attemptTimeoutMs) / 1000;
  throw new SleapRtcError('PEER_UNREACHABLE', `${peerId} could not be reached within ${seconds} s.`, {
    cause: lastError,
  });
}

async function connectOnce(
  signaling: SignalingClient,
  engine: Engine,
  { peerId, purpose, signal, attemptTimeoutMs }: ConnectPeerOptions & { attemptTimeoutMs: number },
): Promise<PeerConnection> {
  const connectionId = randomBytes(12).toString('base64url');
  const to = { target: peerId, connection_id: connectionId };
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
      // Nobody expects a candidate before its offer.
      void offered.promise.then(() => signaling.relay({ type: 'candidate', ...to, candidate })).catch(() => undefined);
    },
  });
  const stopListening = listen(signaling, to, connection, failed.reject);
  const negotiate = async () => {
    const sdp = await connection.offer();
    const sent = signaling.relay({ type: 'offer', ...to, sdp, purpose });
    offered.resolve();
    await Promise.race([Promise.all([sent, connection.ready]), failed.promise]);
  };
  try {
    await within(negotiate(), {
      signal,
      timeoutMs: attemptTimeoutMs,
      onTimeout: () =>
        new SleapRtcError('PEER_UNREACHABLE', `${peerId} did not connect within ${attemptTimeoutMs} ms.`),
    });
    const { route } = connection;
    signaling.logger?.info({ peer: peerId, job: purpose.job_id, route, webrtc: engine.name }, 'connected');
    return connection;
  } catch (error) {
    void connection.close();
    throw error;
  } finally {
    stopListening();
  }
}

/** Passes the peer's answer and candidates to the connection until the returned function is called. */
function listen(
  signaling: SignalingClient,
  to: { target: string; connection_id: string },
  connection: NegotiatedConnection,
  onRefused: (error: unknown) => void,
): () => void {
  const isOurs = (message: { sender: string; connection_id: string }) =>
    message.sender === to.target && message.connection_id === to.connection_id;
  const stops = [
    signaling.on('answer', (message) => {
      if (isOurs(message)) connection.acceptAnswer(message.sdp).catch(onRefused);
    }),
    signaling.on('candidate', (message) => {
      if (isOurs(message)) connection.addCandidate(message.candidate).catch(() => undefined);
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
