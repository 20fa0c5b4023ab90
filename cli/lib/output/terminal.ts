/**
 * What a terminal would not show but obey, or would show as something else: control characters (C0 with ESC, DEL, C1), the marks
 * that turn the direction of text, other invisible ones, lone surrogates. Joiners stay: scripts and emoji need them.
 */
const UNPRINTABLE = /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]--[\n\t\u200c\u200d]]/gv;
const BREAKS = /[\n\t]/g;

/** What a program writes when it ends, so that the cursor is there again. */
const SHOW_CURSOR = '\u001b[?25h';

/** How many callers of `withControls` are at work. */
let controlsAllowed = 0;
let isGuarded = false;

/**
 * From now on, everything that this process writes to stdout and stderr is escaped: names, notes, details, logs and errors come from
 * others. `BaseCommand` calls it before any command runs, so that none can forget it. Escapes are those of JSON, so `--json` stays
 * valid and means the same.
 */
export function guardTerminal(): void {
  if (isGuarded) return;
  isGuarded = true;
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
    stream.write = (chunk: unknown, ...rest: unknown[]) => write(guarded(chunk), ...rest);
  }
}

/** Runs something that draws on the terminal: a live display, a question. All text of others in it must be escaped already. */
export function withControls<T>(work: () => T): T {
  controlsAllowed += 1;
  const done = (): void => {
    controlsAllowed -= 1;
  };
  try {
    const result = work();
    if (result instanceof Promise) return result.finally(done) as T;
    done();
    return result;
  } catch (error) {
    done();
    throw error;
  }
}

/** Asks on the terminal. Every question goes through here, since it draws with control characters. */
export function ask<T>(question: (prompts: typeof import('@inquirer/prompts')) => Promise<T>): Promise<T> {
  return withControls(async () => question(await import('@inquirer/prompts')));
}

/** Shows unprintable characters as `\u001b`. Line breaks and tabs stay. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, escaped);
}

/** The same for text that must stay on its line. */
export function oneLine(text: string): string {
  return printable(text).replaceAll(BREAKS, escaped);
}

function guarded(chunk: unknown): unknown {
  if (controlsAllowed > 0 || chunk === SHOW_CURSOR) return chunk;
  if (typeof chunk === 'string') return printable(chunk);
  return chunk instanceof Uint8Array ? printable(Buffer.from(chunk).toString('utf8')) : chunk;
}

/** Escapes each UTF-16 unit, as JSON does. */
function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
