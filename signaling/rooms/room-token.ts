import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RoomRole } from '../../protocol/wire/api.ts';
import type { Room } from './room.ts';

/** A new room token: 256 random bits, URL-safe. */
export function newRoomToken(): string {
  return randomBytes(32).toString('base64url');
}

/** The hash that is stored instead of a token. The token is random, so nobody can guess it from a plain hash. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** A hash that no token has, so that an unknown room takes the same time as a wrong token. */
const NOBODY = '0'.repeat(64);

/** What a token allows in a room; undefined if it is none of the room's. All three are compared, in constant time. */
export function roleOfToken(room: Room | undefined, token: string): RoomRole | undefined {
  const isOwner = tokenMatches(token, room?.owner_token ?? NOBODY);
  const isMember = tokenMatches(token, room?.token ?? NOBODY);
  const isViewer = tokenMatches(token, room?.viewer_token ?? NOBODY);
  if (isOwner) return 'owner';
  if (isMember) return 'member';
  return isViewer ? 'viewer' : undefined;
}

function tokenMatches(token: string, storedHash: string): boolean {
  const given = Buffer.from(hashToken(token), 'hex');
  const stored = Buffer.from(storedHash, 'hex');
  return given.length === stored.length && timingSafeEqual(given, stored);
}
