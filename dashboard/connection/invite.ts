/** The invite to a room: read from the link's fragment, and saved for this tab only. */

/** What a person needs to enter a room of this server. */
export interface Invite {
  room: string;
  token: string;
}

const STORED_AS = 'sleap-rtc.invite';
const MAX_TOKEN_LENGTH = 256;

/**
 * Reads `#room=…&token=…`. Returns undefined if the fragment is not an invite. Ignores a room's key in it (`&key=…`): the page must
 * neither save nor send it.
 */
export function readFragment(fragment: string): Invite | undefined {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  return invite(fields.get('room'), fields.get('token'));
}

/** Reads what a person typed: a room and a token, or a whole link in either field. Returns undefined if it is neither. */
export function readFields(room: string, token: string): Invite | undefined {
  for (const field of [room, token]) {
    const link = field.replaceAll(/\s+/g, '');
    const hash = link.indexOf('#');
    const inLink = hash < 0 ? undefined : readFragment(link.slice(hash));
    if (inLink !== undefined) return inLink;
  }
  return invite(room.trim(), token.trim());
}

/** The pattern for names is that of `RoomId` in `protocol/ids.ts`. */
function invite(room: string | null, token: string | null): Invite | undefined {
  if (room === null || token === null || token === '' || token.length > MAX_TOKEN_LENGTH) return undefined;
  return /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(room) ? { room, token } : undefined;
}

/** The part of `sessionStorage` that the page uses. */
export type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Returns the invite that this tab was opened with, or undefined if there is none. It survives a reload. */
export function readInvite(storage: TabStorage): Invite | undefined {
  try {
    const stored: unknown = JSON.parse(storage.getItem(STORED_AS) ?? 'null');
    if (typeof stored !== 'object' || stored === null || !('room' in stored) || !('token' in stored)) return undefined;
    return invite(String(stored.room), String(stored.token));
  } catch {
    return undefined;
  }
}

/** Saves the invite until the tab is closed. */
export function saveInvite(storage: TabStorage, { room, token }: Invite): void {
  storage.setItem(STORED_AS, JSON.stringify({ room, token }));
}

/** Removes the saved invite. */
export function removeInvite(storage: TabStorage): void {
  storage.removeItem(STORED_AS);
}
