/** The exception that ended a Python program, read from its traceback. */
export interface PythonException {
  /** With its module if Python prints one, e.g. `omegaconf.errors.ConfigKeyError`. */
  type: string;
  message: string;
  /** Lines below the message of the form `full_key: a.b` or `object_type=X`, which OmegaConf adds. */
  details: Record<string, string>;
  /** Files of its traceback, outermost first; attrs' generated code appears as `<attrs generated methods …>`. */
  frames: string[];
}

const START = 'Traceback (most recent call last):';

/** Finds the last traceback of a log and reads its exception. Returns undefined if there is none. */
export function lastException(log: string): PythonException | undefined {
  const start = log.lastIndexOf(START);
  // A log's tail may begin within the traceback.
  const lines = log.slice(start === -1 ? 0 : start + START.length).split(/\r?\n/);
  const at = lines.findIndex((line) =>
    /^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning|Failure)\w*(:|$)/.test(line),
  );
  if (at === -1) return undefined;
  const [, type = '', first = ''] = /^([\w.]+)(?::\s*)?(.*)$/.exec(lines[at] ?? '') ?? [];
  const details: Record<string, string> = {};
  const more: string[] = [];
  for (const line of lines.slice(at + 1)) {
    const detail = /^\s+(\w+)(?:: |=)(.*)$/.exec(line);
    if (detail?.[1] !== undefined) details[detail[1]] = detail[2] ?? '';
    else if (line.trim() === '' || /^\d{4}-\d\d-\d\d /.test(line)) break;
    else more.push(line.trim());
  }
  const frames = lines.slice(0, at).flatMap((line) => /^ {2}File "([^"]+)", line \d+/.exec(line)?.[1] ?? []);
  return { type, message: [first, ...more].join(' ').trim(), details, frames };
}
