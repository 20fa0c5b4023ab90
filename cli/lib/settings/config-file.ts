import { join } from 'node:path';
import envPaths from 'env-paths';
import { z } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { RoomKey } from '../../../protocol/room-key.ts';
import type { Invite } from './invite.ts';
import { readPrivateJson, writePrivateJson } from './private-file.ts';

/** Current server and room, and the tokens and keys of every joined room by `roomAt`. */
const ConfigFile = z.looseObject({
  server: z.string().optional(),
  room: z.string().optional(),
  tokens: z.record(z.string(), z.string()).default({}),
  keys: z.record(z.string(), RoomKey).default({}),
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

/** Makes a room the current one and saves its token and key. An invite without a key does not change a saved key. */
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
