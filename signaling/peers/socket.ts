import type { Logger } from 'pino';
import type { WebSocket } from 'ws';
import { SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import { TokenBucket } from '../limits/token-bucket.ts';
import type { PeerLink } from './directory.ts';
import {
  BYTE_RATE,
  CLOSE,
  EXCESS,
  FAN_OUT_RATE,
  LONGEST_TIMER_MS,
  MESSAGE_RATE,
  REGISTER_DEADLINE_MS,
} from './limits.ts';
import { type Liveness, responds } from './liveness.ts';
import { type ParsedMessage, parseClientMessage } from './parse-client-message.ts';
import { type PeerServices, type Registered, register } from './registration.ts';
import { fanOut, route } from './routing.ts';
import type { SendBuffers } from './send-buffers.ts';

/** What the handling of a socket needs. */
export interface SocketContext {
  services: PeerServices;
  liveness: Liveness;
  buffers: SendBuffers;
  logger: Logger;
  registerDeadlineMs?: number;
}

/**
 * Serves one WebSocket from its opening to its close: the first message must be `register`, in time; every other is
 * answered, with `error` if it cannot be done. Messages are handled in the order in which they came.
 */
export function serveSocket(socket: WebSocket, context: SocketContext): void {
  new SocketSession(socket, context).start();
}

class SocketSession {
  readonly #socket: WebSocket;
  readonly #context: SocketContext;
  readonly #link: PeerLink;
  readonly #messages = new TokenBucket(MESSAGE_RATE);
  readonly #bytes = new TokenBucket(BYTE_RATE);
  readonly #excess = new TokenBucket(EXCESS);
  /** Bytes that others get because of this socket. */
  readonly #fanOut = new TokenBucket(FAN_OUT_RATE);
  #warned = false;
  #self: Registered | undefined;
  /** Set while `register` is being checked. */
  #registering = false;
  #deadline: NodeJS.Timeout | undefined;
  #renewal: NodeJS.Timeout | undefined;
  /** Runs out with the identity. */
  #identityEnd: NodeJS.Timeout | undefined;

  constructor(socket: WebSocket, context: SocketContext) {
    this.#socket = socket;
    this.#context = context;
    this.#link = {
      send: (message, options) => void context.buffers.send(socket, message, options),
      close: (code, reason) => socket.close(code, reason),
      responds: () => responds(socket),
    };
  }

  start(): void {
    const { liveness, logger, registerDeadlineMs = REGISTER_DEADLINE_MS } = this.#context;
    const socket = this.#socket;
    this.#deadline = setTimeout(() => {
      if (this.#self === undefined) socket.close(CLOSE.policy, 'register in time');
    }, registerDeadlineMs);
    liveness.watch(socket);
    // Without a listener an oversized or broken frame would end the process; the close event follows by itself.
    socket.on('error', (error) => logger.info({ event: 'socket_error', err: error }, 'a socket failed'));
    socket.on('close', () => this.#closed());
    socket.on('message', (data: unknown, isBinary: unknown) => this.#received(data, isBinary === true));
  }

  #closed(): void {
    const { services, logger } = this.#context;
    clearTimeout(this.#deadline);
    clearInterval(this.#renewal);
    clearTimeout(this.#identityEnd);
    if (this.#self === undefined) return;
    const { roomId, peerId } = this.#self;
    services.jobViews.unsubscribe(roomId, this.#link);
    services.directory.leave(roomId, peerId, this.#link);
    if (services.directory.find(roomId, peerId) === undefined) services.jobViews.peerLeft(roomId, peerId);
    logger.info({ event: 'peer_left', room: roomId, peer: peerId }, 'peer left');
  }

  #received(data: unknown, isBinary: boolean): void {
    const size = typeof data === 'string' ? data.length : Buffer.isBuffer(data) ? data.length : 0;
    // Nothing is done for a socket that is being closed.
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (!this.#messages.take(1) || !this.#bytes.take(size)) {
      this.#refuseExcess();
      return;
    }
    const parsed = parseClientMessage(data, isBinary);
    if (this.#self === undefined) void this.#admit(parsed);
    else this.#handle(this.#self, parsed, size);
  }

  #handle(self: Registered, parsed: ParsedMessage, size: number): void {
    if ('error' in parsed) {
      this.#answerError(parsed.error, parsed.requestId);
      return;
    }
    const { services } = this.#context;
    const { message } = parsed;
    if (!this.#fanOut.take(size * fanOut(services, self, message))) {
      this.#refuseExcess(message.request_id);
      return;
    }
    try {
      const reply = route(services, self, message, this.#link);
      if (reply !== undefined) this.#link.send(reply);
    } catch (error) {
      this.#answerError(this.#report(error), message.request_id);
    }
  }

  #refuseExcess(requestId?: string): void {
    const message = 'Too many messages; slow down.';
    if (!this.#warned || requestId !== undefined)
      this.#answerError(new SleapRtcError('LIMIT_REACHED', message), requestId);
    this.#warned = true;
    if (!this.#excess.take(1)) this.#socket.close(CLOSE.policy, 'too many messages');
  }

  async #admit(parsed: ParsedMessage): Promise<void> {
    if ('error' in parsed) return this.#refuse(parsed.error, parsed.requestId);
    const { services, logger } = this.#context;
    const { message } = parsed;
    if (message.type !== 'register' || this.#registering) {
      return this.#refuse(new SleapRtcError('SIGN_IN_REQUIRED', 'Register first.'), message.request_id);
    }
    this.#registering = true;
    const isOpen = () => this.#socket.readyState === this.#socket.OPEN;
    try {
      this.#self = await register(services, message, this.#link, isOpen);
    } catch (error) {
      return this.#refuse(this.#report(error), message.request_id);
    }
    clearTimeout(this.#deadline);
    if (this.#self === undefined) return;
    const { roomId, peerId, role } = this.#self;
    logger.info({ event: 'peer_joined', room: roomId, peer: peerId, role }, 'peer joined');
    // The close event may have come while `register` was being checked.
    if (!isOpen()) services.directory.leave(roomId, peerId, this.#link);
    else this.#whileRegistered(this.#self);
  }

  #whileRegistered(self: Registered): void {
    if (self.access !== 'viewer') this.#renewIceServers(self.userId);
    if (self.identityEndsAt === undefined) return;
    const end = () => this.#refuse(new SleapRtcError('SIGN_IN_REQUIRED', 'Your identity has ended.'), undefined);
    this.#identityEnd = setTimeout(end, Math.min(Math.max(0, self.identityEndsAt - Date.now()), LONGEST_TIMER_MS));
  }

  /** The credentials of a peer that stays connected must not expire: it connects to others at any time. */
  #renewIceServers(userId: string): void {
    const { iceRenewalMs, iceServersFor } = this.#context.services;
    if (iceRenewalMs === undefined) return;
    const renew = () => this.#link.send({ type: 'ice_servers', ice_servers: iceServersFor(userId) });
    this.#renewal = setInterval(renew, iceRenewalMs);
  }

  #refuse(error: SleapRtcError, requestId: string | undefined): void {
    this.#context.logger.info({ event: 'register_refused', code: error.code }, 'a socket was refused');
    this.#answerError(error, requestId);
    this.#socket.close(CLOSE.refused, error.code);
  }

  #answerError(error: SleapRtcError, requestId: string | undefined): void {
    this.#link.send({ type: 'error', request_id: requestId, code: error.code, message: error.message });
  }

  #report(thrown: unknown): SleapRtcError {
    const error = toSleapRtcError(thrown);
    if (error.code === 'INTERNAL' || error.code === 'SERVER_ERROR') {
      this.#context.logger.error({ event: 'socket_message_failed', err: thrown }, 'a message could not be handled');
    }
    return error;
  }
}
