import { join } from 'node:path';
import { Command, Flags, type Interfaces } from '@oclif/core';
import { SleapRtcError } from '../protocol/errors.ts';
import { RoomApi } from './lib/api/api-client.ts';
import { SignIn } from './lib/api/sign-in.ts';
import { createDisplay, type Display } from './lib/output/display.ts';
import { guardTerminal } from './lib/output/terminal.ts';
import type { JobOutcome } from './lib/results/job-outcome.ts';
import { outcomeSummary } from './lib/results/outcome-summary.ts';
import { configFolder, type OwnerTokens, readConfigFile, roomAt } from './lib/settings/config-file.ts';
import {
  type Connection,
  needKey,
  needRoom,
  needServer,
  resolveSettings,
  type Settings,
} from './lib/settings/settings.ts';

/** The flags that all commands share. */
const connectionFlags = {
  server: Flags.string({
    description: 'address of the signaling server (or SLEAP_RTC_SERVER)',
    helpGroup: 'CONNECTION',
    helpValue: 'URL',
  }),
  room: Flags.string({
    description: 'name of the room (or SLEAP_RTC_ROOM)',
    helpGroup: 'CONNECTION',
    helpValue: 'NAME',
  }),
  token: Flags.string({
    description:
      "the room's token; others on this machine can see this flag, so SLEAP_RTC_TOKEN or `rooms join` is safer",
    helpGroup: 'CONNECTION',
    helpValue: 'TOKEN',
  }),
};

/** What `this.flags` of a command holds: its own flags and the shared ones. */
type FlagsOf<T extends typeof Command> = Interfaces.InferredFlags<typeof connectionFlags & T['flags']>;

/** What our commands share: parsed flags and arguments, `--json`, the connection. `main.ts` reports errors. */
export abstract class BaseCommand<T extends typeof Command> extends Command {
  static override enableJsonFlag = true;
  static override baseFlags: Interfaces.FlagInput = connectionFlags;

  /** The configuration folder of this user. */
  protected readonly folder = configFolder();
  protected flags = {} as FlagsOf<T>;
  protected args = {} as Interfaces.InferredArgs<T['args']>;

  /** Parses the command line once for every command. @throws CLIError if it is wrong */
  override async init(): Promise<void> {
    guardTerminal();
    await super.init();
    const { args, flags } = await this.parse({
      args: this.ctor.args,
      flags: this.ctor.flags,
      baseFlags: this.ctor.baseFlags,
      enableJsonFlag: this.ctor.enableJsonFlag,
      strict: this.ctor.strict,
    });
    this.flags = flags as FlagsOf<T>;
    this.args = args as Interfaces.InferredArgs<T['args']>;
  }

  /** Every setting with its source. @throws SleapRtcError USAGE */
  protected async settings(): Promise<Settings> {
    const { server, room, token } = this.flags;
    const file = await readConfigFile(this.folder);
    if (token !== undefined) {
      process.stderr.write(
        'Note: others on this machine can see --token; SLEAP_RTC_TOKEN and `rooms join` are safer.\n',
      );
    }
    return resolveSettings({
      flags: { server, room, token },
      env: process.env,
      file,
      filePath: join(this.folder, 'config.json'),
    });
  }

  /** The API of the current room. @throws SleapRtcError USAGE if no room is set */
  protected async roomApi(): Promise<RoomApi> {
    const connection = needRoom(await this.settings());
    return new RoomApi(connection, new SignIn(connection.server, this.folder));
  }

  /** The same for a job, whose data goes only to peers that have the room's key. @throws SleapRtcError USAGE, also without a key */
  protected async jobApi(): Promise<RoomApi> {
    const connection = needKey(needRoom(await this.settings()));
    return new RoomApi(connection, new SignIn(connection.server, this.folder));
  }

  /** The API of the current room for its owner, and all of the room's tokens. @throws SleapRtcError USAGE if another user made it */
  protected async ownerApi(): Promise<{ api: RoomApi; connection: Connection; owned: OwnerTokens }> {
    const connection = needRoom(await this.settings());
    const owned = (await readConfigFile(this.folder)).owned[roomAt(connection.server, connection.room)];
    if (owned === undefined) {
      throw new SleapRtcError('USAGE', `The room ${connection.room} was not made on this machine.`, {
        remedy: 'Run the command where `sleap-rtc rooms create` was run: only that machine has the owner’s token.',
      });
    }
    const api = new RoomApi({ ...connection, token: owned.owner }, new SignIn(connection.server, this.folder));
    return { api, connection, owned };
  }

  /** The server and our identity there, for commands that need no room. @throws SleapRtcError USAGE if no server is set */
  protected async serverAndIdentity(): Promise<{ server: string; signIn: SignIn }> {
    const server = needServer(await this.settings());
    return { server, signIn: new SignIn(server, this.folder) };
  }

  /**
   * Shows progress on stderr while `work` runs, then prints a summary of what the job made.
   * @throws what `work` throws
   */
  protected async showOutcome(work: (display: Display) => Promise<JobOutcome>): Promise<JobOutcome> {
    const display = createDisplay();
    const outcome = await work(display).finally(() => display.close());
    this.log(outcomeSummary(outcome));
    return outcome;
  }

  /** `lib/output/report-error.ts` reports every error and decides the exit code. */
  protected override async catch(error: Error): Promise<never> {
    throw error;
  }

  protected override toSuccessJson(result: unknown): unknown {
    return { ok: true, ...(result as object) };
  }
}
