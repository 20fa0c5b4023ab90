import { join } from 'node:path';
import { Command, Flags, type Interfaces } from '@oclif/core';
import { RoomApi } from './lib/api/api-client.ts';
import { SignIn } from './lib/api/sign-in.ts';
import { configFolder, readConfigFile } from './lib/settings/config-file.ts';
import { needKey, needRoom, needServer, resolveSettings, type Settings } from './lib/settings/settings.ts';

/** The flags that every command has. */
export const connectionFlags = {
  server: Flags.string({
    description: 'address of the signaling server (or SLEAP_RTC_SERVER)',
    helpGroup: 'CONNECTION',
    helpValue: 'URL',
  }),
  room: Flags.string({
    description: 'room to work in (or SLEAP_RTC_ROOM)',
    helpGroup: 'CONNECTION',
    helpValue: 'NAME',
  }),
  token: Flags.string({
    description: "the room's token; others on this machine can see it here, so prefer SLEAP_RTC_TOKEN or `rooms join`",
    helpGroup: 'CONNECTION',
    helpValue: 'TOKEN',
  }),
};

type ConnectionFlags = { [Name in keyof typeof connectionFlags]?: string | undefined };

/** What our commands share: `--json`, the connection, and errors left to `main.ts`. */
export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true;
  static override baseFlags: Interfaces.FlagInput = connectionFlags;

  /** The configuration folder of this user. */
  protected readonly folder = configFolder();

  /** Every setting with its source. @throws SleapRtcError USAGE */
  protected async settings(flags: ConnectionFlags): Promise<Settings> {
    const file = await readConfigFile(this.folder);
    if (flags.token !== undefined) {
      process.stderr.write(
        'Note: --token can be seen by others on this machine; prefer SLEAP_RTC_TOKEN or `rooms join`.\n',
      );
    }
    return resolveSettings({ flags, env: process.env, file, filePath: join(this.folder, 'config.json') });
  }

  /** The API of the room that flags, environment or file name. @throws SleapRtcError USAGE */
  protected async roomApi(flags: ConnectionFlags): Promise<RoomApi> {
    const connection = needRoom(await this.settings(flags));
    return new RoomApi(connection, new SignIn(connection.server, this.folder));
  }

  /** The same for a job, whose data only goes to who has the room's key. @throws SleapRtcError USAGE, also without a key */
  protected async jobApi(flags: ConnectionFlags): Promise<RoomApi> {
    const connection = needKey(needRoom(await this.settings(flags)));
    return new RoomApi(connection, new SignIn(connection.server, this.folder));
  }

  /** The server and our identity there, where no room is needed. @throws SleapRtcError USAGE */
  protected async serverAndIdentity(flags: ConnectionFlags): Promise<{ server: string; signIn: SignIn }> {
    const server = needServer(await this.settings(flags));
    return { server, signIn: new SignIn(server, this.folder) };
  }

  /** Errors are told, and the exit code decided, in one place: `lib/output/report-error.ts`. */
  protected override async catch(error: Error): Promise<never> {
    throw error;
  }

  protected override toSuccessJson(result: unknown): unknown {
    return { ok: true, ...(result as object) };
  }
}
