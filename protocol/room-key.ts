import { z } from 'zod';

/** Bytes of a room key. */
export const ROOM_KEY_BYTES = 32;

/**
 * A room's key: 32 random bytes in base64url, made together with the room. Peers prove with it to each other that they belong to
 * the room. It travels in the invite, and is never sent to the server or to Temporal, and never logged.
 */
export const RoomKey = z
  .string()
  .regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/, 'a room key has 43 letters, digits, hyphens or underscores');
export type RoomKey = z.infer<typeof RoomKey>;
