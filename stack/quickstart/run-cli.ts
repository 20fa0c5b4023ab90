import { join } from 'node:path';
import { execa } from 'execa';
import { SleapRtcError } from '../../protocol/errors.ts';

const CLI = join(import.meta.dirname, '../../cli/bin.js');

/** How the quickstart runs commands: as a researcher would, each in a process of its own. */
export interface Cli {
  /**
   * Runs `sleap-rtc ARGS --json`, its progress going to standard error, and returns the object it prints.
   * @throws SleapRtcError with the command's own sentence where it fails
   */
  run(...args: string[]): Promise<unknown>;
}

/** @param env what the commands need: SLEAP_RTC_SERVER, SLEAP_RTC_ROOM, SLEAP_RTC_TOKEN, SLEAP_RTC_CONFIG_DIR */
export function cliWith(env: Record<string, string>, signal: AbortSignal): Cli {
  return {
    async run(...args) {
      const result = await execa(process.execPath, [CLI, ...args, '--json'], {
        env,
        reject: false,
        stdin: 'ignore',
        stderr: 'inherit',
        cancelSignal: signal,
        forceKillAfterDelay: 5_000,
      });
      signal.throwIfAborted();
      if (result.exitCode !== 0) {
        throw new SleapRtcError(
          'INTERNAL',
          `sleap-rtc ${args.join(' ')} ended with exit code ${result.exitCode}: ${result.stdout}`,
        );
      }
      return JSON.parse(result.stdout);
    },
  };
}
