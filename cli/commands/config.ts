import { join } from 'node:path';
import { BaseCommand } from '../base-command.ts';
import { table } from '../lib/output/table.ts';
import type { Setting } from '../lib/settings/settings.ts';

/** `sleap-rtc config` */
export default class Config extends BaseCommand<typeof Config> {
  static override summary = 'Show each setting and its source. Tokens and keys are not shown.';

  async run(): Promise<object> {
    const { server, room, token, key } = await this.settings();
    const shown = {
      server,
      room,
      token: hidden(token),
      room_key: hidden(key),
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

function hidden(setting: Setting): Setting {
  return { ...setting, value: setting.value === undefined ? undefined : '(set, not shown)' };
}

function folderSource(): string {
  return process.env.SLEAP_RTC_CONFIG_DIR ? 'SLEAP_RTC_CONFIG_DIR' : 'default';
}
