import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomId } from '../../../protocol/ids.ts';
import { RoomKey } from '../../../protocol/room-key.ts';
import { type ConfigFile, roomAt } from './config-file.ts';
import { serverUrl } from './server-url.ts';

/** A value and its source, e.g. `--room`, `SLEAP_RTC_ROOM`, a file's path, or `not set`. */
export interface Setting {
  value: string | undefined;
  source: string;
}

/** The settings of all commands. Each comes from a flag, the environment or the file, in this order. */
export interface Settings {
  server: Setting;
  room: Setting;
  token: Setting;
  /** The room's key. There is no flag for it, since others on the machine could see it. */
  key: Setting;
}

/** The sources of settings. */
export interface SettingSources {
  flags: { server?: string | undefined; room?: string | undefined; token?: string | undefined };
  env: NodeJS.ProcessEnv;
  file: ConfigFile;
  filePath: string;
}

/** A room on a server, with the token to enter it. */
export interface Connection {
  server: string;
  room: string;
  token: string;
  /** The room's key. Without it, commands can read the room but not run jobs. */
  key?: RoomKey | undefined;
}

const NOT_SET: Setting = { value: undefined, source: 'not set' };

/** Resolves every setting. The file's room counts only together with the file's server. @throws SleapRtcError USAGE */
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
    throw new SleapRtcError('USAGE', `“${room.value}” (from ${room.source}) is not a valid name for a room.`, {
      remedy: 'A room’s name has 3 to 63 lower-case letters, digits or hyphens.',
    });
  }
  const at = server.value !== undefined && room.value !== undefined ? roomAt(server.value, room.value) : undefined;
  const known = <Value>(values: Record<string, Value>): Value | undefined =>
    at === undefined ? undefined : values[at];
  const key = pick('key', known(file.keys));
  if (key.value !== undefined && !RoomKey.safeParse(key.value).success) {
    throw new SleapRtcError('USAGE', `The room’s key from ${key.source} is not valid.`, {
      remedy: 'A room’s key has 43 letters, digits, hyphens or underscores. It is the part of the invite after “key=”.',
    });
  }
  return { server, room, token: pick('token', known(file.tokens)), key };
}

/** Returns the server's address. @throws SleapRtcError USAGE if it is not set */
export function needServer(settings: Settings): string {
  if (settings.server.value !== undefined) return settings.server.value;
  throw new SleapRtcError('USAGE', 'No server is set.', {
    remedy: 'Join a room with `sleap-rtc rooms join`, or give --server (or SLEAP_RTC_SERVER).',
  });
}

/** Returns server, room and token. @throws SleapRtcError USAGE naming the setting that is missing */
export function needRoom(settings: Settings): Connection {
  const server = needServer(settings);
  const { value: room } = settings.room;
  if (room === undefined) {
    throw new SleapRtcError('USAGE', 'No room is set.', {
      remedy: 'Create a room with `sleap-rtc rooms create`, join one with `sleap-rtc rooms join`, or give --room.',
    });
  }
  if (settings.token.value === undefined) {
    throw new SleapRtcError('USAGE', `There is no token for the room ${room} on ${server}.`, {
      remedy: 'Ask a member for an invite and join with `sleap-rtc rooms join`, or set SLEAP_RTC_TOKEN.',
    });
  }
  return { server, room, token: settings.token.value, key: settings.key.value };
}

/** Adds the room's key, which jobs need. @throws SleapRtcError USAGE if there is none */
export function needKey(connection: Connection): Connection & { key: RoomKey } {
  const { server, room, key } = connection;
  if (key !== undefined) return { ...connection, key };
  throw new SleapRtcError(
    'USAGE',
    `There is no key for the room ${room} on ${server}, so no worker would trust this machine.`,
    {
      remedy: 'Join with `sleap-rtc rooms join` and an invite that ends in “&key=…”, or set SLEAP_RTC_ROOM_KEY.',
    },
  );
}
