import type { Logger } from 'pino';
import { SleapRtcError } from '../protocol/errors.ts';
import type { PeerFilters } from '../protocol/filters.ts';
import type { PeerPayload } from '../protocol/peer-messages.ts';
import type { IceServer, PeerInfo, PeerMetadata, Role, ServerMessage } from '../protocol/signaling.ts';

/** How to reach the server and who to be there. */
export interface SignalingClientOptions {
  /** `http(s)://host:port` of the signaling server. */
  serverUrl: string;
  roomId: string;
  /** The room's token. */
  token: string;
  /** Gives a valid identity token; asked again before each registration, since tokens expire. */
  idToken: () => Promise<string>;
  peerId: string;
  role: Role;
  metadata: PeerMetadata;
  /** Aborting closes the client. */
  signal?: AbortSignal;
  logger?: Logger;
}

type Received<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;

/** What a SignalingClient tells its listeners. */
export interface SignalingEvents {
  peer_message: Received<'peer_message'>;
  offer: Received<'offer'>;
  answer: Received<'answer'>;
  candidate: Received<'candidate'>;
  peer_joined: Received<'peer_joined'>;
  peer_left: Received<'peer_left'>;
  peer_updated: Received<'peer_updated'>;
  /** Registered (again); `peers` is everyone else in the room now. */
  connected: { peers: PeerInfo[] };
  disconnected: { error: SleapRtcError };
}

/** A peer's presence in a room: its line to the signaling server, kept up until it is closed. */
export class SignalingClient implements AsyncDisposable {
  readonly peerId: string = '';
  readonly iceServers: IceServer[] = [];
  readonly connected: boolean = false;

  /** Connects and registers. */
  static connect(_options: SignalingClientOptions): Promise<SignalingClient> {
    return Promise.reject(new SleapRtcError('INTERNAL', 'Not written yet.'));
  }
  on<Name extends keyof SignalingEvents>(_event: Name, _listener: (value: SignalingEvents[Name]) => void): () => void {
    return () => undefined;
  }
  discoverPeers(_filters: PeerFilters, _options?: { signal?: AbortSignal }): Promise<PeerInfo[]> {
    return Promise.resolve([]);
  }
  sendPeerMessage(_toPeerId: string, _payload: PeerPayload): Promise<void> {
    return Promise.resolve();
  }
  updateMetadata(_metadata: PeerMetadata): Promise<void> {
    return Promise.resolve();
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
