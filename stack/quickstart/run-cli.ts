import { join } from 'node:path';
import { isErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import { RoomKey } from '../../protocol/room-key.ts';
import { CreateRoomReply, ErrorReply } from '../../protocol/wire/api.ts';
import { startChild } from '../processes/child.ts';

/** The command line itself. */
export const CLI = join(import.meta.dirname, '../../cli/bin.js');

/** What `rooms create` prints: the server's answer, and the key, which only the CLI knows. */
export const MadeRoom = CreateRoomReply.extend({ key: RoomKey });

/** Runs commands as a researcher would, each in a process of its own. */
export interface Cli {
  /**
   * Runs `sleap-rtc ARGS --json` and returns the object that it prints. Its progress goes to standard error.
   * @throws SleapRtcError with the command's own sentence if it fails
   */
  run(...args: string[]): Promise<unknown>;
}

/**
 * @param env what the commands need: SLEAP_RTC_SERVER, SLEAP_RTC_ROOM, SLEAP_RTC_TOKEN, SLEAP_RTC_CONFIG_DIR
 * @param dir its `logs` folder gets the output of the commands
 */
export function cliWith(env: Record<string, string>, dir: string, signal: AbortSignal): Cli {
  return {
    async run(...args) {
      const printed: string[] = [];
      const child = await startChild({
        name: `sleap-rtc ${args.join(' ')}`,
        command: process.execPath,
        args: ['--disable-warning=ExperimentalWarning', CLI, ...args, '--json'],
        env,
        logFile: join(dir, 'logs', 'cli.log'),
        inheritStderr: true,
        onLine: (line) => printed.push(line),
        signal,
      });
      const { exitCode } = await child.exited;
      signal.throwIfAborted();
      if (exitCode !== 0) throw errorOf(child.name, exitCode, printed.join('\n'));
      return JSON.parse(printed.join('\n'));
    },
  };
}

/** Returns the error that the command printed as JSON, or an INTERNAL one if it printed none. */
function errorOf(name: string, exitCode: number | undefined, printed: string): SleapRtcError {
  const printedError = ErrorReply.safeParse(parseJson(printed)).data?.error;
  if (printedError === undefined || !isErrorCode(printedError.code)) {
    return new SleapRtcError('INTERNAL', `${name} ended with exit code ${exitCode}: ${printed}`);
  }
  return new SleapRtcError(printedError.code, printedError.message, { remedy: printedError.remedy });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
