import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** A new room token: 256 random bits, URL-safe. */
export function newRoomToken(): string {
  return randomBytes(32).toString('base64url');
}

/** What is stored in a token's place. The token is random, so a plain hash cannot be guessed back. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Compares in a time that does not depend on where the two differ. */
export function tokenMatches(token: string, storedHash: string): boolean {
  const given = Buffer.from(hashToken(token), 'hex');
  const stored = Buffer.from(storedHash, 'hex');
  return given.length === stored.length && timingSafeEqual(given, stored);
}
