import { readFile } from 'node:fs/promises';
import { parseTrainingLog, type TrainingLog } from '../../protocol/models/training-log.ts';

/** Reads a run folder's log. Returns an empty one if the run did not finish an epoch. */
export async function readTrainingLog(file: string): Promise<TrainingLog> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return parseTrainingLog(text);
}

/** One log of several attempts, each of which resumed from a checkpoint of an earlier one. The later attempt's row counts. */
export function mergeTrainingLogs(logs: readonly TrainingLog[]): TrainingLog {
  const rows = new Map<number, TrainingLog['epochs'][number]>();
  for (const log of logs) for (const epoch of log.epochs) rows.set(epoch.epoch, epoch);
  return {
    columns: logs.find(({ columns }) => columns.length > 0)?.columns ?? [],
    epochs: [...rows.values()].sort((a, b) => a.epoch - b.epoch),
  };
}

/** The lowest validation loss, or null if none was logged. */
export function bestValLoss(log: TrainingLog): number | null {
  const losses = log.epochs.flatMap(({ valLoss }) => (valLoss === null ? [] : [valLoss]));
  return losses.length === 0 ? null : Math.min(...losses);
}
