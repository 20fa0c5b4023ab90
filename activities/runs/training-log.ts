import { readFile } from 'node:fs/promises';

/** One epoch of `training_log.csv`. Losses are null where sleap-nn left the column empty. */
export interface LoggedEpoch {
  /** From 0, as sleap-nn counts. */
  epoch: number;
  trainLoss: number | null;
  valLoss: number | null;
}

/** A parsed log, and its lines for writing it anew. */
export interface TrainingLog {
  header: string;
  epochs: (LoggedEpoch & { line: string })[];
}

/** Parses `training_log.csv`: a row an epoch, columns by their names. A row cut short by a kill is left out. */
export function parseTrainingLog(text: string): TrainingLog {
  const [header = '', ...lines] = text.split(/\r?\n/).filter((line) => line !== '');
  const columns = header.split(',');
  const column = {
    epoch: columns.indexOf('epoch'),
    train: columns.indexOf('train/loss'),
    val: columns.indexOf('val/loss'),
  };
  const epochs = lines.flatMap((line) => {
    const cells = line.split(',');
    const epoch = number(cells[column.epoch]);
    if (cells.length !== columns.length || epoch === null || !Number.isInteger(epoch)) return [];
    return [{ epoch, trainLoss: number(cells[column.train]), valLoss: number(cells[column.val]), line }];
  });
  return { header, epochs };
}

/** Reads a run folder's log; an empty one where the run got to no epoch. */
export async function readTrainingLog(file: string): Promise<TrainingLog> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return parseTrainingLog(text);
}

/** One log of several attempts, each of which went on from a checkpoint of an earlier one: the later attempt's row counts. */
export function mergeTrainingLogs(logs: readonly TrainingLog[]): TrainingLog {
  const rows = new Map<number, TrainingLog['epochs'][number]>();
  for (const log of logs) for (const epoch of log.epochs) rows.set(epoch.epoch, epoch);
  return {
    header: logs.find((log) => log.header !== '')?.header ?? '',
    epochs: [...rows.values()].sort((a, b) => a.epoch - b.epoch),
  };
}

/** The lowest validation loss, or null where none was logged. */
export function bestValLoss(log: TrainingLog): number | null {
  const losses = log.epochs.flatMap(({ valLoss }) => (valLoss === null ? [] : [valLoss]));
  return losses.length === 0 ? null : Math.min(...losses);
}

function number(cell: string | undefined): number | null {
  if (cell === undefined || cell.trim() === '') return null;
  const value = Number(cell);
  return Number.isFinite(value) ? value : null;
}
