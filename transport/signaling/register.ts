import { SleapRtcError } from '../../protocol/errors.ts';
import type { PeerMetadata, Role, ServerMessage } from '../../protocol/wire/signaling.ts';
import { within } from '../async/within.ts';
import { REQUEST_TIMEOUT_MS } from './limits.ts';
import { refusal } from './pending-requests.ts';
import type { Received } from './signaling-events.ts';
import { SignalingSocket } from './signaling-socket.ts';

/** As whom a peer registers. */
export interface Identity {
  /** Gets a valid identity token. It is called before each registration, since tokens expire. */
  idToken(): Promise<string>;
  /** The server has refused the last token. The next call gets another one. */
  refused(): void;
}

/** Where to register, and as whom. */
export interface Registration {
  /** `http(s)://host:port` of the signaling server. */
  serverUrl: string;
  roomId: string;
  /** The room's token. */
  token: string;
  identity: Identity;
  peerId: string;
  role: Role;
  metadata: PeerMetadata;
}

/** What a registered socket reports. No handler may throw. */
export interface RegisteredHandlers {
  /** The server has accepted the registration. */
  registered(socket: SignalingSocket, reply: Received<'registered_auth'>): void;
  message(message: ServerMessage): void;
  closed(error: SleapRtcError): void;
}

/** Opens a socket and registers on it. Resolves when the server has accepted the registration. */
export async function register(
  registration: Registration,
  handlers: RegisteredHandlers,
  signal: AbortSignal,
): Promise<Received<'registered_auth'>> {
  const limits = {
    signal,
    timeoutMs: REQUEST_TIMEOUT_MS,
    onTimeout: () => new SleapRtcError('SERVER_UNREACHABLE', 'The signaling server did not answer in time.'),
  };
  const idToken = await within(registration.identity.idToken(), limits);
  const replied = Promise.withResolvers<Received<'registered_auth'>>();
  let isRegistered = false;
  const socket = new SignalingSocket(registration.serverUrl, {
    opened: () => socket.send(registerMessage(registration, idToken)),
    message: (message) => {
      if (isRegistered) handlers.message(message);
      else if (message.type === 'error') replied.reject(refusal(message));
      else if (message.type === 'registered_auth') {
        isRegistered = true;
        socket.startPings();
        handlers.registered(socket, message);
        replied.resolve(message);
      }
    },
    closed: (error) => {
      if (isRegistered) handlers.closed(error);
      else replied.reject(error);
    },
  });
  try {
    return await within(replied.promise, limits);
  } catch (error) {
    socket.close();
    throw error;
  }
}

function registerMessage({ peerId, roomId, role, token, metadata }: Registration, idToken: string) {
  return {
    type: 'register',
    request_id: 'register',
    peer_id: peerId,
    room_id: roomId,
    role,
    token,
    id_token: idToken,
    metadata,
  } as const;
}
