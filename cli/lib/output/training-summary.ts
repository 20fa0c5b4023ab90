import type { TrainingOutcome } from '../job/training-outcome.ts';
import { fields } from './table.ts';
import { duration } from './words.ts';

/** What a researcher is told at the end of `train` and `jobs attach`: models, where they are, what to do next. */
export function trainingSummary(outcome: TrainingOutcome): string {
  const { models, job_id, temporal_ui_url: history } = outcome;
  if (models.length === 0) {
    return `Job ${job_id} goes on without this terminal. Follow it with:\n  sleap-rtc jobs attach ${job_id}`;
  }
  const told = models.map((model) =>
    fields([
      ['Model', `${model.id} (${model.model_type})`],
      ['Aliases', model.aliases.join(', ')],
      ['Files', model.path],
    ]),
  );
  const reference = models.flatMap(({ aliases, id }) => aliases[0] ?? id);
  return [
    `\nTrained on ${outcome.name} in ${duration(outcome.seconds.total ?? 0)}.`,
    ...told,
    ...(history === null ? [] : [`History: ${history}`]),
    'Next:',
    `  sleap-rtc models show ${reference[0]}`,
    `  sleap-rtc infer ${reference.map((name) => `-m ${name}`).join(' ')} VIDEO -o predictions/`,
  ].join('\n');
}
