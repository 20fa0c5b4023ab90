import type { pino } from 'pino';
import type { SleapRtcError } from '../../protocol/errors.ts';
import type { PeerInfo, ServerMessage } from '../../protocol/wire/signaling.ts';

/** A message of the server of one type. */
export type Received<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;

/** What a SignalingClient reports to its listeners. */
export interface SignalingEvents {
  peer_message: Received<'peer_message'>;
  offer: Received<'offer'>;
  answer: Received<'answer'>;
  candidate: Received<'candidate'>;
  peer_joined: Received<'peer_joined'>;
  peer_left: Received<'peer_left'>;
  peer_updated: Received<'peer_updated'>;
  /** The server has sent new credentials for the relays. */
  ice_servers: Received<'ice_servers'>;
  job_event: Received<'job_event'>;
  /** The server has answered a subscription. `jobs` are the jobs as they are now; null if missed events follow instead. */
  jobs_subscribed: Received<'jobs_subscribed'>;
  /** Registered again after the connection to the server was lost. `peers` are all others in the room now. */
  connected: { peers: PeerInfo[] };
  /** The connection to the server is lost, and is being restored. */
  disconnected: { error: SleapRtcError };
  /** The server refuses to register this peer again, for a reason that will not pass. The client still keeps trying. */
  refused: { error: SleapRtcError };
}

type Listener = (value: never) => void;

/** The listeners of a SignalingClient. */
export class SignalingListeners {
  readonly #logger: pino.Logger | undefined;
  readonly #listeners = new Map<keyof SignalingEvents, Set<Listener>>();

  constructor(logger: pino.Logger | undefined) {
    this.#logger = logger;
  }

  /** Adds a listener until the returned function is called. */
  on<Name extends keyof SignalingEvents>(event: Name, listener: (value: SignalingEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit<Name extends keyof SignalingEvents>(event: Name, value: SignalingEvents[Name]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        // Only `on` writes to the map, with listeners of this event.
        listener(value as never);
      } catch (error) {
        this.#logger?.error({ event, error: String(error) }, 'a signaling listener failed');
      }
    }
  }

  clear(): void {
    this.#listeners.clear();
  }
}
