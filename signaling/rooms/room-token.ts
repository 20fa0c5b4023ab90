import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A new room token: 256 random bits, URL-safe. */
export function newRoomToken(): string {
  return randomBytes(32).toString('base64url');
}

/** The hash that is stored instead of a token. The token is random, so nobody can guess it from a plain hash. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Compares in constant time. */
export function tokenMatches(token: string, storedHash: string): boolean {
  const given = Buffer.from(hashToken(token), 'hex');
  const stored = Buffer.from(storedHash, 'hex');
  return given.length === stored.length && timingSafeEqual(given, stored);
}
