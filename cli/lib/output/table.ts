import { oneLine } from './terminal.ts';

/** Formats rows in aligned columns below headings. Undefined and null are shown as `–`. */
export function table(headings: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const lines = [
    headings,
    ...rows.map((row) => row.map((cell) => (cell === undefined || cell === null ? '–' : oneLine(String(cell))))),
  ];
  const widths = headings.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** Formats names and values as a list. Empty values are left out; further lines of a value are indented, so that none looks like a name. */
export function fields(entries: readonly (readonly [string, unknown])[]): string {
  const width = Math.max(...entries.map(([name]) => name.length)) + 1;
  return entries
    .filter(([, value]) => value !== undefined && value !== null && value !== '')
    .map(
      ([name, value]) => `${`${name}:`.padEnd(width)}  ${String(value).replaceAll('\n', `\n${' '.repeat(width + 2)}`)}`,
    )
    .join('\n');
}
