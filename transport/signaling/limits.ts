/** Time for the signaling server to take a WebSocket, in ms. */
export const SOCKET_OPEN_MS = 5_000;

/** Time for the signaling server to answer a request, in ms, reconnecting included. */
export const REQUEST_TIMEOUT_MS = 10_000;

/** How often a client asks the signaling server for a sign of life, in ms. */
export const PING_INTERVAL_MS = 1_000;

/** Silence after which the signaling server counts as gone, in ms. */
export const SERVER_SILENCE_MS = 3_500;

/** First pause before reconnecting to the signaling server, in ms; doubled up to the longest. */
export const RECONNECT_FIRST_MS = 200;
export const RECONNECT_LONGEST_MS = 5_000;

/** Largest message taken from the signaling server, in bytes: a list of some thousand peers. */
export const MAX_SERVER_MESSAGE_BYTES = 8 * 1024 * 1024;
