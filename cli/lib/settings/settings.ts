import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomId } from '../../../protocol/ids.ts';
import { RoomKey } from '../../../protocol/room-key.ts';
import { type ConfigFile, roomAt } from './config-file.ts';
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
  /** The room's key. There is no flag for it, as others on the machine could see it. */
  key: Setting;
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
  /** The room's key; without it the room can be looked at, but no job run. */
  key?: RoomKey | undefined;
}

const NOT_SET: Setting = { value: undefined, source: 'not set' };

/** Resolves every setting. The file's room only counts for the file's server. @throws SleapRtcError USAGE */
export function resolveSettings({ flags, env, file, filePath }: SettingSources): Settings {
  const pick = (name: 'server' | 'room' | 'token' | 'key', fromFile: string | undefined): Setting => {
    const variable = name === 'key' ? 'SLEAP_RTC_ROOM_KEY' : `SLEAP_RTC_${name.toUpperCase()}`;
    const candidates: [string | undefined, string][] = [
      [name === 'key' ? undefined : flags[name], `--${name}`],
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
  const at = server.value !== undefined && room.value !== undefined ? roomAt(server.value, room.value) : undefined;
  const known = <Value>(values: Record<string, Value>): Value | undefined =>
    at === undefined ? undefined : values[at];
  const key = pick('key', known(file.keys));
  if (key.value !== undefined && !RoomKey.safeParse(key.value).success) {
    throw new SleapRtcError('USAGE', `The room’s key from ${key.source} is not one.`, {
      remedy: 'A room’s key is the part of its invite after “key=”: 43 letters, digits, hyphens or underscores.',
    });
  }
  return { server, room, token: pick('token', known(file.tokens)), key };
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
  return { server, room, token: settings.token.value, key: settings.key.value };
}

/** What a job needs: the room's key besides. @throws SleapRtcError USAGE where there is none */
export function needKey(connection: Connection): Connection & { key: RoomKey } {
  const { server, room, key } = connection;
  if (key !== undefined) return { ...connection, key };
  throw new SleapRtcError(
    'USAGE',
    `There is no key for the room ${room} on ${server}, so no worker would trust this side.`,
    {
      remedy: 'Use `sleap-rtc rooms join` with an invite that ends in “&key=…”, or set SLEAP_RTC_ROOM_KEY.',
    },
  );
}
