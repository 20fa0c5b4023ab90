import assert from 'node:assert/strict';
import type { EpochProgress, WorkerProgress } from '../../protocol/jobs/job-view.ts';
import { curveOfLog } from './curve-of-log.ts';
import { LossCurves } from './loss-curves.ts';

function progress(epoch: number, more: Partial<WorkerProgress> = {}): WorkerProgress & { epoch: EpochProgress } {
  const losses = { train_loss: 1 / epoch, val_loss: 2 / epoch, seconds_left: null };
  const run = { run: 'centroid', run_index: 0, run_count: 1 };
  return { job_id: 'job00001', phase: 'training', ...more, epoch: { ...run, epoch, max_epochs: 5, ...losses } };
}

describe('the loss curves of a room', () => {
  it('have every epoch that was reported, for this room and this job only', () => {
    const curves = new LossCurves();
    for (const epoch of [1, 2, 3]) curves.observe('room-a', progress(epoch));
    assert.deepEqual(curves.of('room-a', 'job00001')[0]?.epochs, [1, 2, 3]);
    assert.deepEqual(curves.of('room-b', 'job00001'), []);
    assert.deepEqual(curves.of('room-a', 'job00002'), []);
  });

  it('outlive a restart while the job runs; afterwards the model’s log has them', () => {
    let changes = 0;
    const curves = new LossCurves({
      onChange: () => {
        changes += 1;
      },
    });
    for (const job_id of ['job00001', 'job00002']) curves.observe('room-a', progress(1, { job_id }));
    curves.observe('room-a', progress(1));
    assert.equal(changes, 2, 'a repeated report need not be saved again');
    curves.ended('room-a', 'job00002');
    const restarted = new LossCurves();
    restarted.restore(JSON.parse(JSON.stringify(curves.snapshot())));
    assert.deepEqual(restarted.of('room-a', 'job00001'), curves.of('room-a', 'job00001'));
    assert.deepEqual(restarted.of('room-a', 'job00002'), []);
    assert.equal(curves.of('room-a', 'job00002').length, 1, 'until then it is shown from memory');
  });

  it('stay bounded in a room, and drop the job whose last report is oldest', () => {
    const curves = new LossCurves();
    curves.observe('other-room', progress(1));
    for (let job = 0; job < 100; job += 1) {
      curves.observe('room-a', progress(1, { job_id: `job1${String(job).padStart(4, '0')}` }));
    }
    const jobs = Object.keys(curves.snapshot()['room-a'] ?? {});
    assert.equal(jobs.length, 32);
    assert.equal(jobs.at(-1), 'job10099');
    assert.equal(curves.of('other-room', 'job00001').length, 1);
  });

  it('take no more runs of a job than a job can have', () => {
    const curves = new LossCurves();
    for (let run = 0; run < 40; run += 1) {
      const { epoch } = progress(1);
      curves.observe('room-a', { ...progress(1), epoch: { ...epoch, run: `run-${run}`, run_index: run } });
    }
    assert.equal(curves.of('room-a', 'job00001').length, 16);
  });

  it('of a finished run come from its log, with epochs from 1 and gaps where sleap-nn left them', () => {
    const log = 'epoch,learning_rate,train/loss,val/loss\n0,1e-4,,0.5\n1,1e-4,0.4,0.3\n2,1e-4,0.2,nan\n3,1e-';
    assert.deepEqual(curveOfLog(log, { run: 'centroid', run_index: 0 }), [
      {
        run: 'centroid',
        run_index: 0,
        max_epochs: null,
        epochs: [1, 2, 3],
        train_loss: [null, 0.4, 0.2],
        val_loss: [0.5, 0.3, null],
      },
    ]);
    assert.deepEqual(curveOfLog('', { run: 'centroid', run_index: 0 }), []);
  });
});
