/** A row of the table. */
export interface Recovery {
  fault: string;
  phase: string;
  /** Time from the fault until the job continued, in ms; undefined if the job was meant to end. */
  recoverMs: number | undefined;
  /** Epochs that were trained twice. */
  epochsLost: number;
  /** How long those epochs had taken, in ms. */
  lostMs: number;
  /** How it ended, in words. */
  outcome: string;
}

/** The table for people. */
export function recoveryTable(rows: readonly Recovery[]): string {
  const cells = rows.map(({ fault, phase, recoverMs, epochsLost, lostMs, outcome }) => [
    fault,
    phase,
    recoverMs === undefined ? '–' : `${(recoverMs / 1000).toFixed(1)} s`,
    epochsLost === 0 ? '–' : `${epochsLost} epoch${epochsLost === 1 ? '' : 's'} (${(lostMs / 1000).toFixed(1)} s)`,
    outcome,
  ]);
  const all = [['fault', 'phase', 'recovered after', 'work lost', 'outcome'], ...cells];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
