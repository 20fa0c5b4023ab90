import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';

const Line = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal(['start', 'end']) }),
  z.object({
    kind: z.literal(['test', 'hook']),
    state: z.enum(['passed', 'failed', 'pending']),
    /** Relative to the repository's root; empty for a root hook. */
    file: z.string(),
    title: z.string(),
    ms: z.number(),
  }),
]);
export type Line = z.infer<typeof Line>;
export type Result = Extract<Line, { state: unknown }>;

/** What the mocha processes of one run have reported. */
export interface Results {
  lines: Result[];
  /** Mocha processes that ended before all their tests had run. */
  crashed: number;
}

/** Reads what `reporter.ts` wrote. */
export async function readResults(folder: string): Promise<Results> {
  const lines: Result[] = [];
  let crashed = 0;
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'utf8');
    const reported = text
      .trimEnd()
      .split('\n')
      .map((line) => Line.parse(JSON.parse(line)));
    if (reported.at(-1)?.kind !== 'end') crashed += 1;
    lines.push(...reported.filter((line): line is Result => 'state' in line));
  }
  return { lines, crashed };
}
