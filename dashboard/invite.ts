/** The way into a room: read from the link's fragment, kept for this tab only, and taken out of the address bar. */

/** What lets someone into a room of this server. */
export interface Invite {
  room: string;
  token: string;
}

const STORED_AS = 'sleap-rtc.invite';
const LONGEST_TOKEN = 256;

/**
 * Reads `#room=…&token=…`; undefined where the fragment is no invite. A room's key in it (`&key=…`) is left alone: the page needs
 * none, and must neither keep nor send it.
 */
export function readFragment(fragment: string): Invite | undefined {
  const fields = new URLSearchParams(fragment.replace(/^#/, ''));
  return invite(fields.get('room'), fields.get('token'));
}

/** Checks what a person typed: a whole link in either field does as well. */
export function readFields(room: string, token: string): Invite | undefined {
  for (const field of [room, token]) {
    const link = field.replaceAll(/\s+/g, '');
    const hash = link.indexOf('#');
    const inLink = hash < 0 ? undefined : readFragment(link.slice(hash));
    if (inLink !== undefined) return inLink;
  }
  return invite(room.trim(), token.trim());
}

/** The names of rooms are those of `RoomId` in `protocol/ids.ts`. */
function invite(room: string | null, token: string | null): Invite | undefined {
  if (room === null || token === null || token === '' || token.length > LONGEST_TOKEN) return undefined;
  return /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(room) ? { room, token } : undefined;
}

/** The part of `Storage` that is used. */
export type Keep = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** The invite that this tab was opened with, also after a reload; undefined where there is none. */
export function recallInvite(keep: Keep): Invite | undefined {
  try {
    const stored: unknown = JSON.parse(keep.getItem(STORED_AS) ?? 'null');
    if (typeof stored !== 'object' || stored === null || !('room' in stored) || !('token' in stored)) return undefined;
    return invite(String(stored.room), String(stored.token));
  } catch {
    return undefined;
  }
}

/** Keeps the invite until the tab is closed. */
export function keepInvite(keep: Keep, { room, token }: Invite): void {
  keep.setItem(STORED_AS, JSON.stringify({ room, token }));
}

/** Forgets the room. */
export function forgetInvite(keep: Keep): void {
  keep.removeItem(STORED_AS);
}
