import assert from 'node:assert/strict';
import { inferenceInput, trainingInput } from '../../test/workflows/job-inputs.ts';
import { InferenceSpec, JobSpec, TrainingSpec } from './job.ts';

const elsewhere = 'nowhere/labels.slp';

/** @returns where the first problem is, and what it is; undefined if there is none */
function problem(spec: unknown): string | undefined {
  const [issue] = JobSpec.safeParse(spec).error?.issues ?? [];
  return issue && `${issue.path.join('.')}: ${issue.message}`;
}

describe('a job that names a file which it does not send', () => {
  it('is refused before a worker takes it, with the file’s name', () => {
    const { spec } = trainingInput();
    const [run] = spec.runs;
    assert.equal(problem(spec), undefined);
    for (const [field, value] of [
      ['config', elsewhere],
      ['train_labels', ['labels.pkg.slp', elsewhere]],
      ['val_labels', [elsewhere]],
    ] as const) {
      const changed = { ...spec, runs: [{ ...run, [field]: value }] };
      assert.equal(problem(changed), `runs.0.${field}: ${elsewhere} is not among the job’s files`);
    }
    assert.match(problem({ ...spec, files: [] }) ?? '', /^runs\.0\.config: centroid\.yaml is not among/);
    assert.equal(TrainingSpec.safeParse({ ...spec, files: [] }).success, false, 'a worker checks it, too');
  });

  it('is refused if it is an inference', () => {
    const { spec } = inferenceInput();
    assert.equal(problem(spec), undefined);
    assert.match(problem({ ...spec, input: elsewhere }) ?? '', /^input: nowhere/);
    assert.equal(InferenceSpec.safeParse({ ...spec, files: [] }).success, false);
  });
});
