/** The program behind `./quickstart`. */
import { parseArgs } from 'node:util';
import { SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import { quickstart } from './quickstart.ts';

const { values: flags } = parseArgs({
  options: { json: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } },
});
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => interrupt.abort(new Error('interrupted')));
}
const say = (line: string) => process.stderr.write(`${line}\n`);
const finish = (result: object) => flags.json && process.stdout.write(`${JSON.stringify(result)}\n`);
try {
  finish({ ok: true, ...(await quickstart({ keep: flags.keep, say, signal: interrupt.signal })) });
} catch (error) {
  const { code, message, remedy, exitCode } = interrupt.signal.aborted
    ? new SleapRtcError('INTERRUPTED', 'Interrupted; everything has been stopped.', {
        remedy: 'Run ./quickstart again.',
      })
    : toSleapRtcError(error);
  say(code === 'INTERRUPTED' ? `\n${message}` : `\nThe quickstart failed (${code}): ${message}\n${remedy}`);
  finish({ ok: false, error: { code, message, remedy } });
  process.exitCode = exitCode;
}
