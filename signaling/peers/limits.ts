import { MAX_MESSAGE_BYTES } from '../../protocol/wire/signaling.ts';

/** A new socket must send `register` within this time. */
export const REGISTER_DEADLINE_MS = 5000;

/** The longest time that a timer of Node can have; an identity may last longer. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Time between two pings of a socket. A silent one is removed after at most 10 s (see `liveness.ts`). */
export const PING_INTERVAL_MS = 3000;
/** Silence after which a socket counts as dead at the next ping. */
export const SILENCE_LIMIT_MS = 6500;
/** If another user asks for a peer's id, the peer must answer within this time, or loses the id. */
export const PROBE_MS = 2000;

/**
 * The WebSocket layer closes on larger frames. A smaller message that is too large is answered with an error. A frame that has not
 * come whole yet is in memory, so this is what a socket may hold without a word.
 */
export const HARD_MESSAGE_BYTES = 2 * MAX_MESSAGE_BYTES;

/** Messages that a socket may send: a burst of ICE candidates at the start, then a steady rate. */
export const MESSAGE_RATE = { burst: 500, perSecond: 100 };
/** Bytes that a socket may send. */
export const BYTE_RATE = { burst: 8 * 1024 * 1024, perSecond: 1024 * 1024 };
/** Bytes that others may get because of one socket: a message for everyone in a full room counts 255 times. */
export const FAN_OUT_RATE = { burst: 16 * 1024 * 1024, perSecond: 1024 * 1024 };
/** Messages beyond the rate are dropped; after this many the socket is closed. */
export const EXCESS = { burst: 200, perSecond: 1 };

/** With this many unsent bytes a reader is too slow and is disconnected; it may connect again. */
export const BUFFERED_LIMIT_BYTES = 8 * 1024 * 1024;
/** With this many unsent bytes no more progress is sent, since losing progress loses nothing else. */
export const BUFFERED_PROGRESS_BYTES = 1024 * 1024;

/** Largest metadata of a peer, in bytes of JSON: they are sent to everyone in the room. */
export const MAX_METADATA_BYTES = 32 * 1024;

/** Metadata of all peers of a room together, and of all rooms, in bytes of JSON. A worker with full caches has about 8 kB. */
export const MAX_ROOM_METADATA_BYTES = 2 * 1024 * 1024;
export const MAX_TOTAL_METADATA_BYTES = 64 * 1024 * 1024;

/** How long the peers of before a restart are listed as `reconnecting`. */
export const RESTORE_GRACE_MS = 30_000;

/** WebSocket close codes of ours (4000–4999 are private, RFC 6455 section 7.4.2). */
export const CLOSE = { goingAway: 1001, policy: 1008, refused: 4001, replaced: 4002, tooSlow: 4003 } as const;
