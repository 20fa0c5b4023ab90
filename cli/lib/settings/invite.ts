import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomId } from '../../../protocol/ids.ts';
import { RoomKey } from '../../../protocol/room-key.ts';
import { serverUrl } from './server-url.ts';

/** What lets someone into a room. */
export interface Invite {
  server: string;
  room: string;
  token: string;
  /** Absent in an invite that only lets one look, since its maker had no key. */
  key?: RoomKey | undefined;
}

/**
 * An invite as one URL: `https://server/#room=lab-mice&token=…&key=…`. All but the server stands in the fragment, which browsers do not
 * send, so none of it reaches the server's or a proxy's log when the link is opened.
 */
export function formatInvite(invite: Invite): string {
  const fragment = new URLSearchParams({
    room: invite.room,
    token: invite.token,
    ...(invite.key !== undefined && { key: invite.key }),
  });
  return `${invite.server}/#${fragment.toString()}`;
}

/**
 * The link to the room's page: an invite without the key, since the page's code comes from the server, which must not have it.
 */
export function pageLink({ server, room, token }: Invite): string {
  return formatInvite({ server, room, token });
}

/**
 * Reads what `formatInvite` wrote; spaces and line breaks that mail programs put around or into it do no harm.
 * @throws SleapRtcError USAGE without repeating the text, since it may hold a token and a key
 */
export function parseInvite(text: string): Invite {
  const link = text.replaceAll(/\s+/g, '');
  const hash = link.indexOf('#');
  const fields = new URLSearchParams(hash < 0 ? '' : link.slice(hash + 1));
  const room = RoomId.safeParse(fields.get('room'));
  const token = fields.get('token') ?? '';
  const key = RoomKey.optional().safeParse(fields.get('key') ?? undefined);
  if (hash <= 0 || !key.success || !room.success || token === '' || token.length > 256) {
    throw new SleapRtcError('USAGE', 'That is not an invite.', {
      remedy: 'Paste the whole link that `sleap-rtc rooms create` or `rooms invite` printed, in quotes.',
    });
  }
  return {
    server: serverUrl(link.slice(0, hash)),
    room: room.data,
    token,
    ...(key.data !== undefined && { key: key.data }),
  };
}
