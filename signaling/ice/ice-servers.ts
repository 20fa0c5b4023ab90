import { createHmac } from 'node:crypto';
import type { IceServer } from '../../protocol/signaling.ts';

/** How long TURN credentials work: a training job's transfers end well within it. */
export const TURN_LIFETIME_MS = 12 * 60 * 60 * 1000;

/** Where peers learn their public address, and who relays for those who cannot reach each other. */
export interface IceConfig {
  stunUrls: readonly string[];
  turnUrls: readonly string[];
  turnSecret: string | null;
}

/**
 * The ICE servers for one user, TURN with credentials of its own that end by themselves: coturn's `use-auth-secret`
 * (draft-uberti-behave-turn-rest-00), user name `expiry:user`, password the HMAC-SHA1 of it.
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
