import { createHmac } from 'node:crypto';
import type { IceServer } from '../../protocol/wire/signaling.ts';

/**
 * Lifetime of TURN credentials, in ms. They are needed when a connection is made; coturn does not check them again while it lasts.
 * Whoever has only signed in gets them too, so they are short-lived, and connected peers get new ones in time.
 */
export const TURN_LIFETIME_MS = 60 * 60 * 1000;

/** STUN servers, which tell peers their public address, and TURN servers, which relay for peers that cannot reach each other. */
export interface IceConfig {
  stunUrls: readonly string[];
  turnUrls: readonly string[];
  turnSecret: string | null;
  /** Lifetime of the credentials, in ms. Default: `TURN_LIFETIME_MS`. */
  turnLifetimeMs?: number | undefined;
}

/**
 * The ICE servers for one user. The user's TURN credentials expire: coturn's `use-auth-secret` (draft-uberti-behave-turn-rest-00),
 * with the user name `expiry:user` and its HMAC-SHA1 as password.
 */
export function iceServersFor(userId: string, config: IceConfig, now: Date): IceServer[] {
  const servers: IceServer[] = [];
  if (config.stunUrls.length > 0) servers.push({ urls: [...config.stunUrls] });
  if (config.turnUrls.length > 0 && config.turnSecret !== null) {
    const username = `${Math.floor((now.getTime() + lifetimeMs(config)) / 1000)}:${userId}`;
    const credential = createHmac('sha1', config.turnSecret).update(username).digest('base64');
    servers.push({ urls: [...config.turnUrls], username, credential });
  }
  return servers;
}

/** How often connected peers get new credentials, in ms; undefined if there are none to renew. */
export function iceRenewalMs(config: IceConfig): number | undefined {
  return config.turnUrls.length > 0 && config.turnSecret !== null ? lifetimeMs(config) / 2 : undefined;
}

function lifetimeMs({ turnLifetimeMs = TURN_LIFETIME_MS }: IceConfig): number {
  return turnLifetimeMs;
}
