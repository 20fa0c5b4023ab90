import type { IceServer } from '../../protocol/signaling.ts';
import type { IceTransportPolicy } from '../ice/ice-transport-policy.ts';

/**
 * Bytes that may wait in a channel before `send` holds its caller back. What is on its way counts too, so this is the most that
 * a path can hold of ours: 80 MB/s at 100 ms. With 1 MiB there were 11 MB/s.
 */
export const SEND_BUFFER_BYTES = 8 * 1024 * 1024;

/** As `RTCIceCandidateInit`; null marks the end of candidates. */
export type IceCandidate = {
  candidate: string;
  sdpMid?: string | null | undefined;
  sdpMLineIndex?: number | null | undefined;
} | null;

/** What a WebRTC stack tells of one channel. None of these may throw. */
export interface EngineChannelHandlers {
  open(): void;
  message(data: string | Uint8Array): void;
  /** What was buffered has gone out, or nearly. */
  drained(): void;
  closed(): void;
}

/** An ordered, reliable channel of a WebRTC stack. */
export interface EngineChannel {
  readonly label: string;
  readonly isOpen: boolean;
  readonly bufferedBytes: number;
  /** Sets who is told; to be called at once when the channel is got. */
  listen(handlers: EngineChannelHandlers): void;
  /** Queues a message, which it copies. */
  send(data: string | Uint8Array): void;
  close(): void;
}

/** What a WebRTC stack tells of one connection. None of these may throw. */
export interface EngineConnectionHandlers {
  candidate(candidate: IceCandidate): void;
  /** The peer opened a channel. */
  channel(channel: EngineChannel): void;
  /** No path was found, or the one in use broke. */
  failed(): void;
}

/** The two ends of the path that ICE has found, as far as they tell whether it leads through a relay. */
export interface EnginePath {
  /** The local candidate's type: `host`, `srflx`, `prflx` or `relay` (RFC 8445, 5.1.1.1). */
  localType: string;
  remoteType: string;
  remoteAddress: string;
  remotePort: number;
}

/** A peer connection of a WebRTC stack, for data channels only. */
export interface EngineConnection {
  /** Starts gathering; candidates follow through the handler. */
  createOffer(): Promise<string>;
  /** Takes the peer's offer and gives the answer; candidates follow through the handler. */
  acceptOffer(sdp: string): Promise<string>;
  acceptAnswer(sdp: string): Promise<void>;
  /** To be called only after the peer's description was accepted. */
  addCandidate(candidate: IceCandidate): Promise<void>;
  /** With `negotiatedId` both sides make the channel themselves, before the descriptions; else the peer is told of it. */
  createChannel(label: string, options?: { negotiatedId?: number }): EngineChannel;
  /** The path in use; undefined before there is one. */
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
