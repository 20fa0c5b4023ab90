import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { type SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import type { PeerLink } from './directory.ts';
import {
  BUFFERED_LIMIT_BYTES,
  BUFFERED_PROGRESS_BYTES,
  BYTE_RATE,
  CLOSE,
  EXCESS,
  MESSAGE_RATE,
  REGISTER_DEADLINE_MS,
} from './limits.ts';
import { type Liveness, responds } from './liveness.ts';
import { parseClientMessage } from './parse-client-message.ts';
import { type PeerServices, type Registered, register } from './registration.ts';
import { route } from './routing.ts';
import { TokenBucket } from './token-bucket.ts';

/** What the handling of a socket needs. */
export interface SocketContext {
  services: PeerServices;
  liveness: Liveness;
  logger: Logger;
  registerDeadlineMs?: number;
}

/**
 * Serves one WebSocket from its opening to its close: the first message must be `register`, in time; every other is
 * answered, with `error` if it cannot be done. Messages are handled in the order in which they came.
 */
export function serveSocket(socket: WebSocket, { services, liveness, logger, ...options }: SocketContext): void {
  const link = createLink(socket, logger);
  const messages = new TokenBucket(MESSAGE_RATE);
  const bytes = new TokenBucket(BYTE_RATE);
  const forgiven = new TokenBucket(EXCESS);
  let warned = false;
  let self: Registered | undefined;
  /** Set while `register` is being checked. */
  let registering = false;
  let renewal: NodeJS.Timeout | undefined;

  const deadline = setTimeout(() => {
    if (self === undefined) socket.close(CLOSE.policy, 'register in time');
  }, options.registerDeadlineMs ?? REGISTER_DEADLINE_MS);

  liveness.watch(socket);
  // Without a listener an oversized or broken frame would end the process; the close event follows by itself.
  socket.on('error', (error) => logger.info({ event: 'socket_error', err: error }, 'a socket failed'));
  socket.on('close', () => {
    clearTimeout(deadline);
    clearInterval(renewal);
    if (self === undefined) return;
    services.jobViews.unsubscribe(self.roomId, link);
    services.directory.leave(self.roomId, self.peerId, link);
    logger.info({ event: 'peer_left', room: self.roomId, peer: self.peerId }, 'peer left');
  });

  const answerError = (error: SleapRtcError, requestId: string | undefined) =>
    link.send({ type: 'error', request_id: requestId, code: error.code, message: error.message });

  socket.on('message', (data: unknown, isBinary: unknown) => {
    const size = typeof data === 'string' ? data.length : Buffer.isBuffer(data) ? data.length : 0;
    if (!messages.take(1) || !bytes.take(size)) {
      if (!warned) link.send({ type: 'error', code: 'SERVER_ERROR', message: 'Too many messages; slow down.' });
      warned = true;
      if (!forgiven.take(1)) socket.close(CLOSE.policy, 'too many messages');
      return;
    }
    const parsed = parseClientMessage(data, isBinary === true);
    if (self !== undefined) {
      if ('error' in parsed) return answerError(parsed.error, parsed.requestId);
      try {
        const reply = route(services, self, parsed.message, link);
        if (reply !== undefined) link.send(reply);
      } catch (error) {
        answerError(report(error), parsed.message.request_id);
      }
      return;
    }
    void admit(parsed);
  });

  async function admit(parsed: ReturnType<typeof parseClientMessage>): Promise<void> {
    if ('error' in parsed) return refuse(parsed.error, parsed.requestId);
    const { message } = parsed;
    if (message.type !== 'register' || registering) {
      link.send({
        type: 'error',
        request_id: message.request_id,
        code: 'SIGN_IN_REQUIRED',
        message: 'Register first.',
      });
      socket.close(CLOSE.refused, 'SIGN_IN_REQUIRED');
      return;
    }
    registering = true;
    try {
      self = await register(services, message, link, () => socket.readyState === socket.OPEN);
    } catch (error) {
      return refuse(report(error), message.request_id);
    }
    clearTimeout(deadline);
    if (self === undefined) return;
    logger.info({ event: 'peer_joined', room: self.roomId, peer: self.peerId, role: self.role }, 'peer joined');
    // The close event may have come while `register` was being checked.
    if (socket.readyState !== socket.OPEN) services.directory.leave(self.roomId, self.peerId, link);
    else renewal = renewIceServers(self.userId);
  }

  /** The credentials of a peer that stays connected must not expire: it connects to others at any time. */
  function renewIceServers(userId: string): NodeJS.Timeout | undefined {
    const { iceRenewalMs, iceServersFor } = services;
    if (iceRenewalMs === undefined) return undefined;
    return setInterval(() => link.send({ type: 'ice_servers', ice_servers: iceServersFor(userId) }), iceRenewalMs);
  }

  function refuse(error: SleapRtcError, requestId: string | undefined): void {
    logger.info({ event: 'register_refused', code: error.code }, 'a socket was refused');
    answerError(error, requestId);
    socket.close(CLOSE.refused, error.code);
  }

  function report(thrown: unknown): SleapRtcError {
    const error = toSleapRtcError(thrown);
    if (error.code === 'INTERNAL' || error.code === 'SERVER_ERROR') {
      logger.error({ event: 'socket_message_failed', err: thrown }, 'a message could not be handled');
    }
    return error;
  }
}

function createLink(socket: WebSocket, logger: Logger): PeerLink {
  return {
    send(message: ServerMessage, { droppable } = { droppable: false }) {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > BUFFERED_LIMIT_BYTES) {
        logger.warn({ event: 'peer_too_slow' }, 'a peer reads too slowly and is cut off');
        socket.terminate();
        return;
      }
      if (droppable && socket.bufferedAmount > BUFFERED_PROGRESS_BYTES) return;
      socket.send(JSON.stringify(message), () => undefined);
    },
    close: (code, reason) => socket.close(code, reason),
    responds: () => responds(socket),
  };
}
