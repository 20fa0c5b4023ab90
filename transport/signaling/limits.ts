/** Time limit for the signaling server to accept a WebSocket, in ms. */
export const SOCKET_OPEN_TIMEOUT_MS = 5_000;

/** Time limit for the signaling server to answer a request, in ms, reconnecting included. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** How often a client pings the signaling server, in ms. */
export const PING_INTERVAL_MS = 1_000;

/** Silence after which the signaling server counts as lost, in ms. */
export const SERVER_SILENCE_TIMEOUT_MS = 3_500;

/** First pause before reconnecting to the signaling server, in ms. It doubles with each attempt, up to the longest. */
export const FIRST_RECONNECT_PAUSE_MS = 200;
export const LONGEST_RECONNECT_PAUSE_MS = 5_000;

/** Largest message that is accepted from the signaling server, in bytes: a list of some thousand peers. */
export const MAX_SERVER_MESSAGE_BYTES = 8 * 1024 * 1024;
