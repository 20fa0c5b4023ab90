/** Largest message to a peer that announces no size, in bytes. Every WebRTC stack accepts it (RFC 8841, section 6.1). */
export const DEFAULT_MAX_MESSAGE_BYTES = 64 * 1024;

/**
 * Largest message on a channel, in bytes, even if the peer accepts more. Larger ones gain nothing, and werift deadlocks at
 * 1 MiB.
 */
export const MAX_CHANNEL_MESSAGE_BYTES = 256 * 1024;

/** Bytes that a peer may send unread before its channel is closed: far above any window that our protocols ask for. */
export const MAX_UNREAD_BYTES = 64 * 1024 * 1024;

/** Channels that one peer may open on a connection. */
export const MAX_INCOMING_CHANNELS = 64;

/** Candidates of a peer that are remembered to recognize its relays: more than an honest peer has. */
export const MAX_REMEMBERED_CANDIDATES = 64;

/** Connections that `acceptPeers` negotiates or serves at a time. */
export const MAX_ACCEPTED_PEERS = 32;

/** Of these, connections of one peer. A transfer has up to four; those that were given up may not have ended yet. */
export const MAX_ACCEPTED_OF_ONE_PEER = 8;

/** How often each peer sends a heartbeat, in ms. */
export const HEARTBEAT_INTERVAL_MS = 700;

/** Silence after which a peer counts as lost, in ms. It is checked at each heartbeat, so a lost peer is noticed within 5 s. */
export const PEER_SILENCE_TIMEOUT_MS = 3_500;

/** Time limit for one attempt to connect, in ms. A handshake that loses packets can hang; a new attempt is faster. */
export const CONNECT_ATTEMPT_TIMEOUT_MS = 10_000;

/** The same for the answerer, in ms. It is shorter, so that the answerer has given up an attempt when the next offer arrives. */
export const ANSWER_TIMEOUT_MS = 9_000;

/**
 * Attempts of full length before a peer counts as unreachable. If an attempt fails earlier, the time that is left allows more:
 * werift gives up a path through two relays at once if its first check arrives before the other side's relay admits it.
 */
export const CONNECT_ATTEMPTS = 3;

/** Pause after a failed attempt, in ms. */
export const CONNECT_PAUSE_MS = 150;

/** Time limit for a new channel to open on a live connection, in ms. */
export const CHANNEL_OPEN_TIMEOUT_MS = 10_000;

/** Longest time that closing a channel waits until what is buffered has arrived, in ms. */
export const CHANNEL_CLOSE_TIMEOUT_MS = 5_000;

/** Longest time that closing a connection waits for the peer's `bye`, in ms. */
export const BYE_TIMEOUT_MS = 500;
