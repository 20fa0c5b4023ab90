import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomId } from '../../../protocol/ids.ts';
import { type ConfigFile, roomKey } from './config-file.ts';
import { serverUrl } from './server-url.ts';

/** One value and where it came from, e.g. `--room`, `SLEAP_RTC_ROOM`, a file's path, or `not set`. */
export interface Setting {
  value: string | undefined;
  source: string;
}

/** What the commands need to know of the world, each from flag, environment, file, in this order. */
export interface Settings {
  server: Setting;
  room: Setting;
  token: Setting;
}

/** Where settings may come from. */
export interface SettingSources {
  flags: { server?: string | undefined; room?: string | undefined; token?: string | undefined };
  env: NodeJS.ProcessEnv;
  file: ConfigFile;
  filePath: string;
}

/** A server and room that one may talk to. */
export interface Connection {
  server: string;
  room: string;
  token: string;
}

const NOT_SET: Setting = { value: undefined, source: 'not set' };

/** Resolves every setting. The file's room only counts for the file's server. @throws SleapRtcError USAGE */
export function resolveSettings({ flags, env, file, filePath }: SettingSources): Settings {
  const pick = (name: 'server' | 'room' | 'token', fromFile: string | undefined): Setting => {
    const variable = `SLEAP_RTC_${name.toUpperCase()}`;
    const candidates: [string | undefined, string][] = [
      [flags[name], `--${name}`],
      [env[variable], variable],
      [fromFile, filePath],
    ];
    for (const [value, source] of candidates) if (value !== undefined && value !== '') return { value, source };
    return NOT_SET;
  };
  const server = pick('server', file.server);
  if (server.value !== undefined) server.value = serverUrl(server.value);
  const room = pick('room', server.value === file.server ? file.room : undefined);
  if (room.value !== undefined && !RoomId.safeParse(room.value).success) {
    throw new SleapRtcError('USAGE', `“${room.value}” is not a room's name (from ${room.source}).`, {
      remedy: 'A room’s name has 3 to 63 lower-case letters, digits or hyphens.',
    });
  }
  const known =
    server.value !== undefined && room.value !== undefined ? file.tokens[roomKey(server.value, room.value)] : undefined;
  return { server, room, token: pick('token', known) };
}

/** The server's address. @throws SleapRtcError USAGE where none is set */
export function needServer(settings: Settings): string {
  if (settings.server.value !== undefined) return settings.server.value;
  throw new SleapRtcError('USAGE', 'No server is set.', {
    remedy: 'Join a room with `sleap-rtc rooms join INVITE`, or give --server (or SLEAP_RTC_SERVER).',
  });
}

/** Server, room and token. @throws SleapRtcError USAGE naming what is not set */
export function needRoom(settings: Settings): Connection {
  const server = needServer(settings);
  const { value: room } = settings.room;
  if (room === undefined) {
    throw new SleapRtcError('USAGE', 'No room is set.', {
      remedy: 'Make one with `sleap-rtc rooms create`, join one with `sleap-rtc rooms join INVITE`, or give --room.',
    });
  }
  if (settings.token.value === undefined) {
    throw new SleapRtcError('USAGE', `There is no token for the room ${room} on ${server}.`, {
      remedy: 'Ask a member for an invite and use `sleap-rtc rooms join INVITE`, or set SLEAP_RTC_TOKEN.',
    });
  }
  return { server, room, token: settings.token.value };
}
