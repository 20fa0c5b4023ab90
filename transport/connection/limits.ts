/** Largest message to a peer that announces no size, in bytes: every WebRTC stack takes it (RFC 8841, section 6.1). */
export const DEFAULT_MAX_MESSAGE_BYTES = 64 * 1024;

/** Largest message on a channel, in bytes, whatever the peer would take: beyond, nothing is gained, and werift deadlocks at 1 MiB. */
export const MAX_CHANNEL_MESSAGE_BYTES = 256 * 1024;

/** Bytes that a peer may send unread before its channel is cut: far above any window that our protocols ask for. */
export const MAX_UNREAD_BYTES = 64 * 1024 * 1024;

/** Channels that one peer may open on a connection. */
export const MAX_INCOMING_CHANNELS = 64;

/** Candidates of a peer of which it is remembered whether they are relays: more than any honest one has. */
export const MAX_REMEMBERED_CANDIDATES = 64;

/** Connections that `acceptPeers` negotiates or serves at once. */
export const MAX_ACCEPTED_PEERS = 32;

/** How often each peer says that it lives, in ms. */
export const HEARTBEAT_INTERVAL_MS = 700;

/** Silence after which a peer counts as gone, in ms; with the interval of looking it is noticed within 5 s. */
export const PEER_SILENCE_MS = 3_500;

/** Time for one attempt to connect, in ms. A handshake that loses packets can hang; a new attempt is quicker. */
export const CONNECT_ATTEMPT_MS = 10_000;

/** The same for who answers, in ms: shorter, so that at the next offer it knows that this one came to nothing. */
export const ANSWER_ATTEMPT_MS = 9_000;

/**
 * Attempts of full length before a peer counts as unreachable. One that fails sooner leaves its time to further ones: werift
 * gives a path through two relays up at once where the first check comes before the other side's relay lets it through.
 */
export const CONNECT_ATTEMPTS = 3;

/** Pause after an attempt that failed, in ms. */
export const CONNECT_PAUSE_MS = 150;

/** Time for a new channel to open on a live connection, in ms. */
export const CHANNEL_OPEN_MS = 10_000;

/** Longest that closing a channel waits for what is buffered to arrive, in ms. */
export const CHANNEL_CLOSE_MS = 5_000;

/** Longest that closing a connection waits for the peer's goodbye, in ms. */
export const GOODBYE_MS = 500;
