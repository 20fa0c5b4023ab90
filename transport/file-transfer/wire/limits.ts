/** The unit in which content is requested, checked and resumed, in bytes. A lost or corrupt block costs at most this much. */
export const BLOCK_BYTES = 1024 * 1024;

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

/** Bytes before the data in a binary message (see `pieces.ts`). */
export const PIECE_HEADER_BYTES = 16;

/**
 * Most data in one message, in bytes, if the peer accepts it. With 64 KiB libdatachannel needs a tenth more CPU; 256 KiB saves
 * nothing.
 */
export const PIECE_BYTES = 128 * 1024;

/** Blocks that a receiver has requested and not received. Enough for 0.1 s of 1 Gbit/s; it also bounds the memory. */
export const WINDOW_BLOCKS = 16;

/** Most blocks in one request. */
export const MAX_WANTED_BLOCKS = 4 * WINDOW_BLOCKS;

/** How often a block is requested before the transfer fails. */
export const MAX_BLOCK_REQUESTS = 3;

/** Bytes that may arrive twice, because a block was requested again too early. A sender that sends more is cut off. */
export const MAX_DUPLICATE_BYTES = WINDOW_BLOCKS * BLOCK_BYTES;

/** Most hashes in one request. Their message has 32 KiB. */
export const MAX_HASHES_PER_REQUEST = 1024;

/** Most JSON of offered files in one message, in bytes, so that the message stays below the channel's limit. */
export const MAX_OFFER_BYTES = 48 * 1024;

/** Longest wait for the other side's next message, if that side has to send one, in ms. */
export const REPLY_TIMEOUT_MS = 60_000;

/** How often a receiver that works without sending anything sends `busy`, in ms. */
export const BUSY_INTERVAL_MS = 10_000;

/** Longest wait for the other side's `goodbye`, in ms. The transfer has succeeded whether or not it arrives. */
export const GOODBYE_TIMEOUT_MS = 3_000;

/** Pause between two progress reports, in ms. */
export const PROGRESS_INTERVAL_MS = 250;

/** Time over which the rate is measured, in ms. */
export const RATE_WINDOW_MS = 3_000;
