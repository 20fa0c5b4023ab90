import Papa from 'papaparse';

/** One epoch of sleap-nn's `training_log.csv`. Losses are null if sleap-nn left the column empty. */
export interface LoggedEpoch {
  /** From 0, as sleap-nn counts. */
  epoch: number;
  trainLoss: number | null;
  valLoss: number | null;
}

/** A parsed log, with all its cells, so that it can be written again. */
export interface TrainingLog {
  columns: string[];
  epochs: (LoggedEpoch & { cells: string[] })[];
}

/** Parses `training_log.csv`: one row for each epoch, columns by their names. Leaves out a row that a kill cut short. */
export function parseTrainingLog(text: string): TrainingLog {
  const [columns = [], ...rows] = Papa.parse<string[]>(text, { delimiter: ',', skipEmptyLines: true }).data;
  const loss = (cells: string[], name: string) => numberIn(cells[columns.indexOf(name)]);
  const epochs = rows.flatMap((cells) => {
    const epoch = numberIn(cells[columns.indexOf('epoch')]);
    if (cells.length !== columns.length || epoch === null || !Number.isInteger(epoch)) return [];
    return [{ epoch, trainLoss: loss(cells, 'train/loss'), valLoss: loss(cells, 'val/loss'), cells }];
  });
  return { columns, epochs };
}

/** The text of a log. */
export function formatTrainingLog({ columns, epochs }: TrainingLog): string {
  return `${Papa.unparse([columns, ...epochs.map(({ cells }) => cells)], { newline: '\n' })}\n`;
}

function numberIn(cell: string | undefined): number | null {
  if (cell === undefined || cell.trim() === '') return null;
  const value = Number(cell);
  return Number.isFinite(value) ? value : null;
}
