import assert from 'node:assert/strict';
import { JobSpec } from './job.ts';

const INTERPOLATION = `\${oc.env:AWS_SECRET_ACCESS_KEY}.slp`;

describe('paths in a job', () => {
  const file = (path: string) => ({ path, size_bytes: 1, sha256: 'a'.repeat(64) });
  const common = { job_id: 'abcdefgh', name: 'flies', requirements: {}, files: [file('l.slp'), file('c.yaml')] };
  const run = { name: 'r', config: 'c.yaml', train_labels: ['l.slp'], val_labels: [], model_type: 'centroid' };
  const training = { kind: 'training', ...common, runs: [run] };
  const inference = { kind: 'inference', ...common, models: ['0123abcd'], input: 'l.slp' };

  function accepts(spec: object): boolean {
    return JobSpec.safeParse(spec).success;
  }

  it('are never replaced by a variable of the worker, wherever they are', () => {
    assert.ok(accepts(training) && accepts(inference));
    for (const change of [
      { train_labels: [INTERPOLATION] },
      { val_labels: [INTERPOLATION] },
      { config: INTERPOLATION },
    ]) {
      const files = [...common.files, file(INTERPOLATION)];
      assert.equal(accepts({ ...training, runs: [{ ...run, ...change }] }), false);
      assert.equal(accepts({ ...training, files, runs: [{ ...run, ...change }] }), false);
    }
    assert.equal(accepts({ ...inference, input: INTERPOLATION }), false);
  });

  it('leave room for what is called after them: a too long name is refused before the work, not after it', () => {
    for (const [name, fits] of [
      ['n'.repeat(216), true],
      ['n'.repeat(217), false],
      ['標'.repeat(72), true],
      ['標'.repeat(73), false],
    ] as const) {
      const input = `${name}.mp4`;
      assert.equal(accepts({ ...inference, files: [file(input)], input }), fits, `${Buffer.byteLength(input)} bytes`);
    }
  });
});
