import { stagingWords } from '../output/staging-words.ts';
import { fields } from '../output/table.ts';
import { oneLine } from '../output/terminal.ts';
import { duration } from '../output/words.ts';
import type { JobOutcome } from './job-outcome.ts';

/** The last lines of `train`, `infer` and `jobs attach`: the results, their paths, and what to do next. */
export function outcomeSummary(outcome: JobOutcome): string {
  const { job_id, kind, models, predictions, temporal_ui_url: history } = outcome;
  if (models.length === 0 && predictions.length === 0) {
    const data = stagingWords(outcome.staging ?? undefined);
    const where = data === undefined ? '' : `\nIts data is ${data}.`;
    return `Job ${job_id} continues without this terminal.${where}\nFollow it with:\n  sleap-rtc jobs attach ${job_id}`;
  }
  const made = kind === 'training' ? 'Trained' : 'Predicted';
  const tail = history === null ? [] : [`History: ${history}`];
  return [
    `\n${made} on ${oneLine(outcome.name)} in ${duration(outcome.seconds.total ?? 0)}.`,
    ...results(outcome),
    ...tail,
    ...next(outcome),
  ].join('\n');
}

function results({ models, predictions }: JobOutcome): string[] {
  const lines = models.map(({ id, model_type, aliases, path }) =>
    fields([
      ['Model', `${id} (${model_type})`],
      ['Aliases', aliases.join(', ')],
      ['Files', path],
    ]),
  );
  return [...lines, ...predictions.map((path) => `Predictions: ${path}`)];
}

function next({ models, predictions }: JobOutcome): string[] {
  const [file] = predictions;
  if (file !== undefined) return ['Next:', `  sleap ${quoted(file)}`];
  const names = models.map(({ aliases, id }) => aliases[0] ?? id);
  const flags = names.map((name) => `-m ${name}`).join(' ');
  return ['Next:', `  sleap-rtc models show ${names[0]}`, `  sleap-rtc infer VIDEO ${flags} -o predictions/`];
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
