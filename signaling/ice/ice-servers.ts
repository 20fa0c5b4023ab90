import { createHmac } from 'node:crypto';
import type { IceServer } from '../../protocol/wire/signaling.ts';

/** Lifetime of TURN credentials: longer than any transfer of a job. */
export const TURN_LIFETIME_MS = 12 * 60 * 60 * 1000;

/** STUN servers, which tell peers their public address, and TURN servers, which relay for peers that cannot reach each other. */
export interface IceConfig {
  stunUrls: readonly string[];
  turnUrls: readonly string[];
  turnSecret: string | null;
}

/**
 * The ICE servers for one user. The user's TURN credentials expire: coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00),
 * with the user name `expiry:user` and its HMAC-SHA1 as password.
 */
export function iceServersFor(userId: string, config: IceConfig, now: Date): IceServer[] {
  const servers: IceServer[] = [];
  if (config.stunUrls.length > 0) servers.push({ urls: [...config.stunUrls] });
  if (config.turnUrls.length > 0 && config.turnSecret !== null) {
    const username = `${Math.floor((now.getTime() + TURN_LIFETIME_MS) / 1000)}:${userId}`;
    const credential = createHmac('sha1', config.turnSecret).update(username).digest('base64');
    servers.push({ urls: [...config.turnUrls], username, credential });
  }
  return servers;
}
