/** Unit of asking, checking and resuming, in bytes. A lost or corrupt block costs this much at most. */
export const BLOCK_BYTES = 1024 * 1024;

/** Bytes before a piece's data in a binary message (see `pieces.ts`). */
export const PIECE_HEADER_BYTES = 16;

/** Most data in one message, in bytes, where the peer takes it: with 64 KiB libdatachannel needs a tenth more CPU, with 256 KiB no less. */
export const PIECE_BYTES = 128 * 1024;

/** Blocks that a receiver has asked for and not got: enough for 0.1 s of 1 Gbit/s, and the bound of its memory. */
export const WINDOW_BLOCKS = 16;

/** The same for each of several channels, so that what they owe at the end is little. */
export const STRIPE_WINDOW_BLOCKS = 6;

/** Most blocks in one request. */
export const MAX_WANTED_BLOCKS = 4 * WINDOW_BLOCKS;

/** Times that a block is asked for before its transfer fails. */
export const BLOCK_ATTEMPTS = 3;

/** Bytes that may come twice before their sender is cut off: those of blocks that were asked for again too soon. */
export const MAX_SPARE_BYTES = WINDOW_BLOCKS * BLOCK_BYTES;

/** Hashes asked for at once: their message stays at 32 KiB. */
export const HASHES_PER_REQUEST = 1024;

/** JSON of the offered files in one message, in bytes, so that the message stays below the channel's limit. */
export const OFFER_BYTES = 48 * 1024;

/** Longest wait for the other side's next message while it owes one, in ms. */
export const STALL_MS = 60_000;

/** How often a receiver that is busy with what it has tells the sender so, in ms. */
export const BUSY_INTERVAL_MS = 10_000;

/** Longest wait for the other side's last word, after which all is well anyway, in ms. */
export const FAREWELL_MS = 3_000;

/** Disk space to leave free, in bytes. */
export const DISK_RESERVE_BYTES = 16 * 1024 * 1024;

/** Pause between two progress reports, in ms. */
export const PROGRESS_INTERVAL_MS = 250;

/** Time over which the rate is measured, in ms. */
export const RATE_WINDOW_MS = 3_000;

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

/** Files whose hashes are remembered: some offers of the largest length. */
export const MAX_CACHED_FILES = 20_000;

/** Block hashes that are remembered, over all files: those of 512 GiB, 16 MiB in memory. */
export const MAX_CACHED_BLOCK_HASHES = 512 * 1024;

/** Most channels, each on a connection of its own, for one transfer: what a browser takes for a page, so others keep their share. */
export const MAX_STRIPES = 4;

/** How often a transfer considers whether further connections pay, in ms. */
export const STRIPE_TICK_MS = 500;
