import { EXIT, SleapRtcError, toSleapRtcError } from '../../../protocol/errors.ts';
import { guardTerminal, oneLine } from './terminal.ts';

/**
 * Reports an error: on stderr, one sentence with the code and one with the remedy; with `--json`, one object on stdout.
 * @returns the exit code
 */
export function reportError(thrown: unknown, argv: readonly string[]): number {
  const exit = requestedExit(thrown);
  if (exit !== undefined) return exit;
  const error = usageError(thrown) ?? toSleapRtcError(thrown);
  guardTerminal();
  if (wantsJson(argv)) {
    process.stdout.write(`${JSON.stringify({ ok: false, error: errorBody(error) })}\n`);
  } else {
    process.stderr.write(`Error: ${sentence(error.message)} [${error.code}]\n${sentence(error.remedy)}\n`);
  }
  if (process.env.SLEAP_RTC_DEBUG && thrown instanceof Error) process.stderr.write(`${thrown.stack}\n`);
  return error.exitCode;
}

/** An error as `--json` shows it. */
export function errorBody(error: SleapRtcError): { code: string; message: string; remedy: string } {
  return { code: error.code, message: error.message, remedy: error.remedy };
}

/** A message of others could otherwise look like a second message of ours. */
function sentence(text: string): string {
  return oneLine(text.trim().replaceAll(/\s*\n\s*/g, ' '));
}

function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

/** Returns the exit code of an error that oclif throws to end a command, e.g. for `--help`. */
function requestedExit(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown) || thrown.code !== 'EEXIT') return undefined;
  const { oclif } = thrown as { oclif?: { exit?: number } };
  return oclif?.exit ?? EXIT.ok;
}

/** Converts oclif's error for a wrong command line to one sentence with our code. */
function usageError(thrown: unknown): SleapRtcError | undefined {
  if (!(thrown instanceof Error) || !('oclif' in thrown)) return undefined;
  const lines = thrown.message
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/^(See more help|Note:|Alternatively|Parsing --)/.test(line));
  const message = lines
    .join(' ')
    .replaceAll(/ {2,}/g, ', ')
    .replace(/^command (.+) not found$/, (_, id: string) => {
      return `There is no command “${id.replaceAll(':', ' ')}”`;
    });
  const isUnknownCommand = message.startsWith('There is no command');
  return new SleapRtcError('USAGE', `${message.replace(/\.$/, '')}.`, {
    cause: thrown,
    ...(isUnknownCommand ? { remedy: 'List the commands with `sleap-rtc --help`.' } : {}),
  });
}
