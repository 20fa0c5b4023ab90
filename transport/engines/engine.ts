import type { IceServer } from '../../protocol/wire/signaling.ts';
import type { IceTransportPolicy } from '../ice/ice-transport-policy.ts';

/**
 * Bytes that may wait in a channel before `send` waits for room. What is on its way counts too, so this bounds the rate of a long
 * path: 80 MB/s at 100 ms. With 1 MiB it was 11 MB/s.
 */
export const SEND_BUFFER_BYTES = 8 * 1024 * 1024;

/** As `RTCIceCandidateInit`. Null marks the end of candidates. */
export type IceCandidate = {
  candidate: string;
  sdpMid?: string | null | undefined;
  sdpMLineIndex?: number | null | undefined;
} | null;

/** What a WebRTC stack reports about one channel. No handler may throw. */
export interface EngineChannelHandlers {
  open(): void;
  message(data: string | Uint8Array): void;
  /** The buffer is empty, or nearly. */
  drained(): void;
  closed(): void;
}

/** An ordered, reliable channel of a WebRTC stack. */
export interface EngineChannel {
  readonly label: string;
  readonly isOpen: boolean;
  readonly bufferedBytes: number;
  /** Sets the handlers. Call it as soon as there is a channel. */
  listen(handlers: EngineChannelHandlers): void;
  /** Queues a message, which it copies. */
  send(data: string | Uint8Array): void;
  close(): void;
}

/** What a WebRTC stack reports about one connection. No handler may throw. */
export interface EngineConnectionHandlers {
  candidate(candidate: IceCandidate): void;
  /** The peer opened a channel. */
  channel(channel: EngineChannel): void;
  /** No path was found, or the path broke. */
  failed(): void;
}

/** The two ends of the path that ICE has found, as far as they show whether it leads through a relay. */
export interface EnginePath {
  /** The local candidate's type: `host`, `srflx`, `prflx` or `relay` (RFC 8445, 5.1.1.1). */
  localType: string;
  remoteType: string;
  remoteAddress: string;
  remotePort: number;
}

/** A peer connection of a WebRTC stack, for data channels only. */
export interface EngineConnection {
  /** Starts to gather candidates, which the handler gets. */
  createOffer(): Promise<string>;
  /** Accepts the peer's offer and returns the answer. The handler gets the candidates. */
  acceptOffer(sdp: string): Promise<string>;
  acceptAnswer(sdp: string): Promise<void>;
  /** Call it only after the peer's description was accepted. */
  addCandidate(candidate: IceCandidate): Promise<void>;
  /**
   * With `negotiatedId` both sides create the channel themselves, before the descriptions. Otherwise the stack announces it to the
   * peer.
   */
  createChannel(label: string, options?: { negotiatedId?: number }): EngineChannel;
  /** The path in use. Undefined before there is one. */
  path(): EnginePath | undefined;
  close(): Promise<void>;
}

/** What a connection may use to find a path. */
export interface EngineOptions {
  iceServers: readonly IceServer[];
  iceTransportPolicy: IceTransportPolicy;
}

/** A WebRTC stack. */
export interface Engine {
  readonly name: string;
  createConnection(options: EngineOptions, handlers: EngineConnectionHandlers): EngineConnection;
}
