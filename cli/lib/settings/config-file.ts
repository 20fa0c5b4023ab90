import { join } from 'node:path';
import envPaths from 'env-paths';
import { z } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomKey } from '../../../protocol/room-key.ts';
import type { Invite } from './invite.ts';
import { readPrivateJson, writePrivateJson } from './private-file.ts';

/** The tokens that only the owner of a room has. */
const OwnerTokens = z.object({ owner: z.string(), viewer: z.string() });
export type OwnerTokens = z.infer<typeof OwnerTokens>;

/** Current server and room, and the tokens and keys of every joined room by `roomAt`. */
const ConfigFile = z.looseObject({
  server: z.string().optional(),
  room: z.string().optional(),
  tokens: z.record(z.string(), z.string()).default({}),
  keys: z.record(z.string(), RoomKey).default({}),
  /** Of the rooms that this user has made. */
  owned: z.record(z.string(), OwnerTokens).default({}),
});
export type ConfigFile = z.infer<typeof ConfigFile>;

/** The folder of `config.json` and `sign-in.json`: SLEAP_RTC_CONFIG_DIR, else the system's folder for settings. */
export function configFolder(env: NodeJS.ProcessEnv = process.env): string {
  const chosen = env.SLEAP_RTC_CONFIG_DIR;
  return chosen === undefined || chosen === '' ? envPaths('sleap-rtc', { suffix: '' }).config : chosen;
}

/** The key of a room in `tokens` and `keys`. It names the server, since two servers may have a room of the same name. */
export function roomAt(server: string, room: string): string {
  return `${server}#${room}`;
}

/** Reads a folder's `config.json`. A missing file counts as empty. @throws SleapRtcError USAGE if it is damaged */
export async function readConfigFile(folder: string): Promise<ConfigFile> {
  const path = join(folder, 'config.json');
  const parsed = ConfigFile.safeParse((await readPrivateJson(path)) ?? {});
  if (parsed.success) return parsed.data;
  throw new SleapRtcError(
    'USAGE',
    `The file ${path} has a wrong value at “${parsed.error.issues[0]?.path.join('.') ?? ''}”.`,
  );
}

/**
 * Makes a room the current one and saves its token and key. An invite without a key does not change a saved key.
 * @param owned the owner's tokens, if this user has made the room
 */
export async function rememberRoom(
  folder: string,
  { server, room, token, key }: Invite,
  owned?: OwnerTokens,
): Promise<void> {
  const file = await readConfigFile(folder);
  await writePrivateJson(join(folder, 'config.json'), {
    ...file,
    server,
    room,
    tokens: { ...file.tokens, [roomAt(server, room)]: token },
    keys: key === undefined ? file.keys : { ...file.keys, [roomAt(server, room)]: key },
    owned: owned === undefined ? file.owned : { ...file.owned, [roomAt(server, room)]: owned },
  });
}

/** Removes a room that was deleted, with its tokens and its key. */
export async function forgetRoom(folder: string, { server, room }: Pick<Invite, 'server' | 'room'>): Promise<void> {
  const { room: current, ...file } = await readConfigFile(folder);
  const without = <Value>({ [roomAt(server, room)]: _, ...others }: Record<string, Value>) => others;
  await writePrivateJson(join(folder, 'config.json'), {
    ...file,
    ...(current === undefined || (current === room && file.server === server) ? {} : { room: current }),
    tokens: without(file.tokens),
    keys: without(file.keys),
    owned: without(file.owned),
  });
}
