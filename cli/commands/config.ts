import { join } from 'node:path';
import { BaseCommand, connectionFlags } from '../base-command.ts';
import { table } from '../lib/output/table.ts';

/** `sleap-rtc config` */
export default class Config extends BaseCommand {
  static override summary = 'Show each setting and where it came from. Tokens are not shown.';
  static override flags = { ...connectionFlags };

  async run(): Promise<object> {
    const { flags } = await this.parse(Config);
    const { server, room, token } = await this.settings(flags);
    const shown = {
      server,
      room,
      token: { ...token, value: token.value === undefined ? undefined : '(set, not shown)' },
      config_file: { value: join(this.folder, 'config.json'), source: folderSource() },
    };
    this.log(
      table(
        ['SETTING', 'VALUE', 'FROM'],
        Object.entries(shown).map(([name, { value, source }]) => [name, value, source]),
      ),
    );
    return shown;
  }
}

function folderSource(): string {
  return process.env.SLEAP_RTC_CONFIG_DIR ? 'SLEAP_RTC_CONFIG_DIR' : 'default';
}
