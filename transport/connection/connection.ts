import type { ConnectionPurpose } from '../../protocol/wire/signaling.ts';

/** An ordered, reliable channel of messages between two peers. Text and binary messages arrive as they were sent. */
export interface DataChannel {
  readonly label: string;
  /** The largest message that the peer accepts, in bytes: at least 64 KiB with every known WebRTC stack. */
  readonly maxMessageBytes: number;
  /**
   * Queues one message of 1 to `maxMessageBytes` bytes, which it copies. Resolves when there is room for the next (up to 8 MiB are
   * buffered), so to await it is the backpressure.
   * @throws SleapRtcError PEER_GONE if the channel has ended
   */
  send(data: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * What the peer sends, in order, for one reader. Ends when either side closes the channel. Throws SleapRtcError PEER_GONE if the
   * peer is lost, which is noticed within 5 s.
   */
  readonly messages: AsyncIterable<string | Uint8Array>;
  /** Sends what is buffered (for at most 5 s), and closes the channel on both sides. */
  close(): Promise<void>;
  /** Resolves when the channel has ended, for whatever reason. Never rejects. */
  readonly closed: Promise<void>;
}

/** How a connection reaches the peer: directly, or through a TURN server, which makes it slower. */
export type Route = 'direct' | 'relay';

/** A WebRTC connection to one peer of the room. */
export interface PeerConnection {
  readonly remotePeerId: string;
  readonly purpose: ConnectionPurpose;
  /** Undefined before the connection is made, and if its WebRTC stack does not report the path. */
  readonly route: Route | undefined;
  /** Opens a channel, which the peer gets from `acceptChannel`. */
  openChannel(label: string, options?: { signal?: AbortSignal }): Promise<DataChannel>;
  /** Waits for the next channel that the peer opens. */
  acceptChannel(options?: { signal?: AbortSignal }): Promise<DataChannel>;
  /** Resolves when the connection has ended, for whatever reason. Never rejects. */
  readonly closed: Promise<void>;
  /** Closes the channels, says goodbye to the peer, and frees the sockets. */
  close(): Promise<void>;
}
