import { isErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import type { ClientMessage, ServerMessage } from '../../protocol/wire/signaling.ts';
import { within } from '../async/within.ts';
import { REQUEST_TIMEOUT_MS } from './limits.ts';
import type { Received, SignalingEvents } from './signaling-events.ts';

/** `Omit` that keeps the members of a union separate. */
type WithoutId<Message> = Message extends unknown ? Omit<Message, 'request_id'> : never;

/** A message to the server that has a reply. */
export type Request = WithoutId<Exclude<ClientMessage, { type: 'register' | 'ping' }>>;

/** A message of the server that may be a reply. */
type Reply = Exclude<ServerMessage, { type: Exclude<keyof SignalingEvents, 'jobs_subscribed'> }>;

interface Pending {
  message: ClientMessage;
  reply: PromiseWithResolvers<ServerMessage>;
}

/** The requests of a SignalingClient that have no reply yet. */
export class PendingRequests {
  readonly #pending = new Map<string, Pending>();
  #count = 0;

  /** The messages to send again on a new connection. The server may get one twice. */
  get messages(): ClientMessage[] {
    return [...this.#pending.values()].map(({ message }) => message);
  }

  /**
   * Sends a request and waits for its reply.
   * @throws SleapRtcError SERVER_UNREACHABLE if no reply arrives in time, or the error that the server replies with
   */
  async send(
    request: Request,
    send: (message: ClientMessage) => void,
    signal: AbortSignal | undefined,
  ): Promise<ServerMessage> {
    this.#count += 1;
    const requestId = String(this.#count);
    const message: ClientMessage = { ...request, request_id: requestId };
    const reply = Promise.withResolvers<ServerMessage>();
    this.#pending.set(requestId, { message, reply });
    send(message);
    try {
      return await within(reply.promise, {
        signal,
        timeoutMs: REQUEST_TIMEOUT_MS,
        onTimeout: () =>
          new SleapRtcError('SERVER_UNREACHABLE', `The signaling server did not answer ${request.type} in time.`),
      });
    } finally {
      this.#pending.delete(requestId);
    }
  }

  /** Settles the request that a message replies to. Returns false if there is none. */
  settle(message: Reply): boolean {
    const pending = this.#pending.get(message.request_id ?? '');
    if (message.type === 'error') pending?.reply.reject(refusal(message));
    else pending?.reply.resolve(message);
    return pending !== undefined;
  }

  /** Fails all requests. */
  fail(error: SleapRtcError): void {
    for (const { reply } of this.#pending.values()) reply.reject(error);
  }
}

/** The error that the server replied with. */
export function refusal({ code, message }: Received<'error'>): SleapRtcError {
  return new SleapRtcError(isErrorCode(code) ? code : 'SERVER_ERROR', message);
}
