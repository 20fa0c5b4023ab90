/** Disk space to leave free, in bytes. */
export const DISK_RESERVE_BYTES = 16 * 1024 * 1024;

/** Files whose hashes are cached: a few offers of the largest length. */
export const MAX_CACHED_FILES = 20_000;

/** Block hashes that are cached, over all files: those of 512 GiB, 16 MiB in memory. */
export const MAX_CACHED_BLOCK_HASHES = 512 * 1024;
