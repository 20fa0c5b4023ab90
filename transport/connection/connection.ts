import type { ConnectionPurpose } from '../../protocol/signaling.ts';

/** An ordered, reliable channel of messages between two peers. Text and binary messages arrive as they were sent. */
export interface DataChannel {
  readonly label: string;
  /** The largest message that the peer takes, in bytes: 64 KiB at least with every known WebRTC stack. */
  readonly maxMessageBytes: number;
  /**
   * Queues one message; resolves when there is room for the next (about 1 MiB is buffered), so awaiting it is the
   * backpressure. The bytes are copied. Messages have 1 to `maxMessageBytes` bytes.
   * @throws SleapRtcError PEER_GONE where the channel has ended
   */
  send(data: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * What the peer sends, in order; to be read by one reader. Ends when either side closes the channel;
   * throws SleapRtcError PEER_GONE where the peer went away without saying so (noticed within 5 s).
   */
  readonly messages: AsyncIterable<string | Uint8Array>;
  /** Sends what is buffered (for 2 s at most), tells the peer, and closes. */
  close(): Promise<void>;
  /** Resolves when the channel has ended, in whatever way. Never rejects. */
  readonly closed: Promise<void>;
}

/** How a connection leads to the peer: by itself, or through a TURN server, which costs both of them speed. */
export type Route = 'direct' | 'relay';

/** A WebRTC connection to one peer of the room. Disposing closes it. */
export interface PeerConnection extends AsyncDisposable {
  readonly remotePeerId: string;
  readonly purpose: ConnectionPurpose;
  /** Undefined where it can't be told: before the connection works, and where its WebRTC stack does not say. */
  readonly route: Route | undefined;
  /** Opens a channel; the peer gets it from `acceptChannel`. */
  openChannel(label: string, options?: { signal?: AbortSignal }): Promise<DataChannel>;
  /** Waits for the next channel that the peer opens. */
  acceptChannel(options?: { signal?: AbortSignal }): Promise<DataChannel>;
  /** Resolves when the connection has ended, in whatever way. Never rejects. */
  readonly closed: Promise<void>;
  /** Closes the channels, tells the peer, and frees the sockets. */
  close(): Promise<void>;
}
