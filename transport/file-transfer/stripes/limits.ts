/** Most channels for one transfer, each on a connection of its own. A browser accepts as many for one page. */
export const MAX_STRIPES = 4;

/** Blocks requested at a time on each of several channels: few, so that the slowest has little left at the end. */
export const STRIPE_WINDOW_BLOCKS = 6;

/** How often a transfer considers whether another connection pays, in ms. */
export const STRIPE_TICK_MS = 500;
