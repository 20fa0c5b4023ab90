import { MAX_MESSAGE_BYTES } from '../../protocol/signaling.ts';

/** Time in which a new socket must have sent `register`. */
export const REGISTER_DEADLINE_MS = 5000;

/** Sockets are pinged this often; one that stays silent leaves after at most 10 s (see `liveness.ts`). */
export const PING_INTERVAL_MS = 3000;
/** Silence after which a socket counts as dead at the next ping. */
export const SILENCE_LIMIT_MS = 6500;
/** How long a peer whose id is asked for by another user has to show that it lives. */
export const PROBE_MS = 2000;

/** Where the WebSocket layer itself gives up on a frame; below it, too large a message is answered with an error. */
export const HARD_MESSAGE_BYTES = 4 * MAX_MESSAGE_BYTES;

/** Messages a socket may send: a burst of ICE candidates at the start, then a steady rate. */
export const MESSAGE_RATE = { burst: 500, perSecond: 100 };
/** Bytes a socket may send. */
export const BYTE_RATE = { burst: 8 * 1024 * 1024, perSecond: 1024 * 1024 };
/** Messages beyond the rate, which are dropped, that are forgiven before the socket is closed. */
export const EXCESS = { burst: 200, perSecond: 1 };

/** Unsent bytes at which a reader counts as too slow and is cut off; it may connect again. */
export const BUFFERED_LIMIT_BYTES = 8 * 1024 * 1024;
/** Unsent bytes at which progress, which is only for smoothness, is no longer added. */
export const BUFFERED_PROGRESS_BYTES = 1024 * 1024;

/** Largest description of itself that a peer may give, in bytes of JSON: it is sent to everyone in the room. */
export const MAX_METADATA_BYTES = 32 * 1024;

/** Peers in one room. Each join is told to all others, so the cost grows with the square. */
export const MAX_PEERS_IN_ROOM = 256;
/** Sockets of one server. */
export const MAX_SOCKETS = 10_000;

/** How long peers known from before a restart are listed as `reconnecting`. */
export const RESTORE_GRACE_MS = 30_000;

/** WebSocket close codes of ours (4000–4999 are private, RFC 6455 section 7.4.2). */
export const CLOSE = { goingAway: 1001, policy: 1008, refused: 4001, replaced: 4002, tooSlow: 4003 } as const;
