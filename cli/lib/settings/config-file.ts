import { join } from 'node:path';
import envPaths from 'env-paths';
import { z } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomKey } from '../../../protocol/room-key.ts';
import type { Invite } from './invite.ts';
import { readPrivateJson, writePrivateJson } from './private-file.ts';

/** Current server and room, and the tokens and keys of every room joined so far, keyed by `roomAt`. */
const ConfigFile = z.looseObject({
  server: z.string().optional(),
  room: z.string().optional(),
  tokens: z.record(z.string(), z.string()).default({}),
  keys: z.record(z.string(), RoomKey).default({}),
});
export type ConfigFile = z.infer<typeof ConfigFile>;

/** The folder of `config.json` and `sign-in.json`: SLEAP_RTC_CONFIG_DIR, else where the system keeps settings. */
export function configFolder(env: NodeJS.ProcessEnv = process.env): string {
  const chosen = env.SLEAP_RTC_CONFIG_DIR;
  return chosen === undefined || chosen === '' ? envPaths('sleap-rtc', { suffix: '' }).config : chosen;
}

/** Under what a room's token and key are kept: two servers may have rooms of one name. */
export function roomAt(server: string, room: string): string {
  return `${server}#${room}`;
}

/** Reads `config.json` of a folder; an absent one is empty. @throws SleapRtcError USAGE */
export async function readConfigFile(folder: string): Promise<ConfigFile> {
  const path = join(folder, 'config.json');
  const parsed = ConfigFile.safeParse((await readPrivateJson(path)) ?? {});
  if (parsed.success) return parsed.data;
  throw new SleapRtcError('USAGE', `The file ${path} is wrong at “${parsed.error.issues[0]?.path.join('.') ?? ''}”.`);
}

/** Makes a room the current one and keeps its token and key. An invite without a key leaves the key that is known. */
export async function rememberRoom(folder: string, { server, room, token, key }: Invite): Promise<void> {
  const file = await readConfigFile(folder);
  await writePrivateJson(join(folder, 'config.json'), {
    ...file,
    server,
    room,
    tokens: { ...file.tokens, [roomAt(server, room)]: token },
    keys: key === undefined ? file.keys : { ...file.keys, [roomAt(server, room)]: key },
  });
}
