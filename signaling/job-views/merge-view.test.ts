import assert from 'node:assert/strict';
import type { JobStatus } from '../../protocol/jobs/job.ts';
import { type AcceptedProgress, type JobFacts, mergeView } from './merge-view.ts';

function status(changes: Partial<JobStatus> = {}): JobStatus {
  return {
    job_id: 'job00000001',
    kind: 'training',
    name: 'mice',
    user_id: 'user-1',
    phase: 'training',
    detail: 'training centroid',
    worker: 'w1',
    models: [],
    submitted_at: '2026-01-01T00:00:00Z',
    staging: 'staging',
    error: null,
    ...changes,
  };
}

const transfer = { bytes: 1, total_bytes: 2, bytes_per_s: 3 };
const waiting = { position: 1, queued: 1, workers_fitting: 0, workers_free: 0, sentence: 'No worker is in the room' };

function progress(changes: Partial<AcceptedProgress> = {}): AcceptedProgress {
  return { job_id: 'job00000001', phase: 'training', worker: 'w1', sessionId: 'session-1', ...changes };
}

function merge(changes: Partial<JobFacts>) {
  return mergeView({
    status: status(),
    sessionId: 'session-1',
    progress: undefined,
    progressIsNewer: true,
    staged: false,
    waiting: undefined,
    uiUrl: null,
    outdated: false,
    ...changes,
  });
}

describe('the view of a job', () => {
  it('has the phase and detail of the worker that has its session, if that is newer', () => {
    const receiving = status({ phase: 'receiving', detail: 'sending' });
    const view = merge({ status: receiving, progress: progress({ detail: 'loading sleap-nn', transfer }) });
    assert.partialDeepStrictEqual(view, { phase: 'training', detail: 'loading sleap-nn', transfer });
    assert.equal(merge({ progress: progress() }).detail, 'training centroid');
  });

  it('has the phase that Temporal entered after the worker’s last report, and no bytes of the phase before', () => {
    const earlier = { progress: progress({ phase: 'uploading', transfer }), progressIsNewer: false };
    const view = merge({ ...earlier, status: status({ phase: 'publishing' }) });
    assert.deepEqual([view.phase, view.transfer], ['publishing', undefined]);
    const back = merge({ ...earlier, status: status({ phase: 'training', detail: 'the next run' }) });
    assert.deepEqual([back.phase, back.detail], ['training', 'the next run']);
    assert.deepEqual(merge({ ...earlier, status: status({ phase: 'uploading' }) }).transfer, transfer);
  });

  it('does not show the reports of a worker whose session is over', () => {
    const queued = status({ phase: 'queued', detail: 'waiting', worker: null });
    const view = merge({ status: queued, sessionId: null, progress: progress(), waiting });
    assert.partialDeepStrictEqual(view, { phase: 'queued', worker: null, waiting });
    assert.equal(
      merge({ sessionId: 'session-2', status: status({ worker: 'w2' }), progress: progress() }).worker,
      'w2',
    );
  });

  it('ends as Temporal says, whatever a worker reports', () => {
    const view = merge({ status: status({ phase: 'done', detail: 'published' }), progress: progress({ transfer }) });
    assert.deepEqual([view.phase, view.detail, view.transfer], ['done', 'published', undefined]);
  });

  it('is staged from the worker’s report on, and never for data that must stay on the worker', () => {
    assert.equal(merge({ staged: true }).staging, 'staged');
    assert.equal(merge({ staged: true, status: status({ staging: 'off' }) }).staging, 'off');
  });

  it('says that it may be outdated, and why a job waits only while it waits', () => {
    assert.equal(merge({ outdated: true }).outdated, true);
    assert.equal(merge({ waiting }).waiting, undefined);
  });
});
