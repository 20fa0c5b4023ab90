import { DEFAULT_MAX_MESSAGE_BYTES, MAX_CHANNEL_MESSAGE_BYTES } from './limits.ts';

/** The largest message that may be sent to the peer that sent this description, in bytes (RFC 8841, section 6). */
export function maxMessageBytes(sdp: string): number {
  const announced = /^a=max-message-size:(\d+)\r?$/m.exec(sdp)?.[1];
  if (announced === undefined) return DEFAULT_MAX_MESSAGE_BYTES;
  // 0 means any size.
  return Math.min(Number(announced) || MAX_CHANNEL_MESSAGE_BYTES, MAX_CHANNEL_MESSAGE_BYTES);
}
