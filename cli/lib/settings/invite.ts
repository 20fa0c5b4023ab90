import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomId } from '../../../protocol/ids.ts';
import { RoomKey } from '../../../protocol/room-key.ts';
import { serverUrl } from './server-url.ts';

/** What a person needs to enter a room. */
export interface Invite {
  server: string;
  room: string;
  token: string;
  /** Missing in a read-only invite. */
  key?: RoomKey | undefined;
}

/**
 * Formats an invite as a URL: `https://server/#room=lab-mice&token=…&key=…`. Everything except the server is in the fragment.
 * Browsers do not send that, so it does not reach the log of the server or of a proxy.
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
 * The link to the room's web page: an invite without the key. The page's code comes from the server, which must not get the key.
 */
export function pageLink({ server, room, token }: Invite): string {
  return formatInvite({ server, room, token });
}

/**
 * Parses what `formatInvite` wrote. It tolerates spaces and line breaks that mail programs add.
 * @throws SleapRtcError USAGE if the text is not an invite; the message does not contain the text, since it may hold secrets
 */
export function parseInvite(text: string): Invite {
  const link = text.replaceAll(/\s+/g, '');
  const hash = link.indexOf('#');
  const fields = new URLSearchParams(hash < 0 ? '' : link.slice(hash + 1));
  const room = RoomId.safeParse(fields.get('room'));
  const token = fields.get('token') ?? '';
  const key = RoomKey.optional().safeParse(fields.get('key') ?? undefined);
  if (hash <= 0 || !key.success || !room.success || token === '' || token.length > 256) {
    throw new SleapRtcError('USAGE', 'This is not an invite.', {
      remedy: 'Paste the whole link that `sleap-rtc rooms create` or `sleap-rtc rooms invite` printed, in quotes.',
    });
  }
  return {
    server: serverUrl(link.slice(0, hash)),
    room: room.data,
    token,
    ...(key.data !== undefined && { key: key.data }),
  };
}
