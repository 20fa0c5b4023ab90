import assert from 'node:assert/strict';
import type { JobStatus } from '../../protocol/job.ts';
import type { EpochProgress, ProgressMessage } from '../../protocol/peer-messages.ts';
import type { PeerInfo, ServerMessage } from '../../protocol/signaling.ts';
import { afterEvent, emptyRoom, type RoomEvent, type RoomState, shownJobs, workersOf } from './room-state.ts';

const JOB = 'job00000001';

function status(more: Partial<JobStatus> = {}): JobStatus {
  return {
    job_id: JOB,
    kind: 'training',
    name: 'mice.pkg.slp',
    user_id: 'user-1',
    phase: 'queued',
    detail: 'waiting',
    worker: null,
    models: [],
    submitted_at: '2026-01-01T00:00:00Z',
    error: null,
    ...more,
  };
}

function progress(more: Partial<ProgressMessage> = {}, at = 1000): RoomEvent {
  const payload: ProgressMessage = {
    type: 'progress',
    job_id: JOB,
    worker: 'w1',
    at: '2026-01-01T00:00:00Z',
    phase: 'training',
    ...more,
  };
  return { type: 'message', at, message: { type: 'peer_message', from_peer_id: 'w1', payload } };
}

function epoch(number: number): EpochProgress {
  const losses = { train_loss: 1 / number, val_loss: 1 / number };
  return { run: 'centroid', run_index: 0, run_count: 1, epoch: number, max_epochs: 5, seconds_left: null, ...losses };
}

function peer(peer_id: string, role: PeerInfo['role'] = 'worker', gpu = 'A100'): PeerInfo {
  const metadata = { tags: [], properties: { gpu_model: gpu } };
  return { peer_id, role, user_id: 'user-1', metadata, connected_at: '2026-01-01T00:00:00Z' };
}

const message = (text: ServerMessage): RoomEvent => ({ type: 'message', message: text, at: 0 });
const listed = (jobs: JobStatus[], at = 0): RoomEvent => ({ type: 'jobs', jobs, at });
const told = (word: JobStatus, at = 0): RoomEvent => ({
  type: 'job',
  reply: { status: word, temporal_ui_url: 'http://ui.test' },
  at,
});
const room = (...events: RoomEvent[]): RoomState => events.reduce(afterEvent, emptyRoom('lab-mice'));

describe('what the page knows of the room', () => {
  it('follows workers as they come, change and go, and begins anew after a reconnect', () => {
    const registered = message({
      type: 'registered_auth',
      room_id: 'lab-mice',
      peer_id: 'dashboard-1',
      peer_list: [peer('w2'), peer('cli-1', 'client')],
      ice_servers: [],
    });
    const changed = room(
      message({ type: 'peer_joined', peer: peer('gone') }),
      registered,
      message({ type: 'peer_joined', peer: peer('w1') }),
      message({ type: 'peer_updated', peer: peer('w2', 'worker', 'H100') }),
    );
    assert.deepEqual(
      workersOf(changed).map(({ peer_id, metadata }) => [peer_id, metadata.properties.gpu_model]),
      [
        ['w1', 'A100'],
        ['w2', 'H100'],
      ],
    );
    assert.deepEqual(workersOf(afterEvent(changed, message({ type: 'peer_left', peer_id: 'w1' }))).length, 1);
  });

  it('believes a worker’s fresh word over the API’s, until the worker falls silent or the API is ahead', () => {
    const shown = (state: RoomState, now: number) => shownJobs(state, now)[0]?.status.phase;
    const stale = room(listed([status()], 500), progress({}, 1000), listed([status()], 1500));
    assert.equal(shown(stale, 2000), 'training');
    assert.equal(shown(stale, 60_000), 'queued', 'the worker was lost, and the job waits anew');
    const ahead = afterEvent(stale, listed([status({ phase: 'publishing' })], 1600));
    assert.equal(shown(ahead, 2000), 'publishing');
    const over = room(listed([status({ phase: 'done' })], 500), progress({}, 1000));
    assert.equal(shown(over, 1000), 'done', 'the API’s word on the end is final');
  });

  it('does not listen to a peer that speaks in a worker’s name', () => {
    const payload: ProgressMessage = { type: 'progress', job_id: JOB, worker: 'w1', at: '', phase: 'done' };
    const state = room(message({ type: 'peer_message', from_peer_id: 'liar', payload }));
    assert.equal(state.progress.size, 0);
  });

  it('grows a curve by live epochs, also where the fetched one was overtaken by them', () => {
    const live = room(progress({ epoch: epoch(1) }), progress({ epoch: epoch(3) }));
    assert.deepEqual(live.curves.get(JOB)?.[0]?.epochs, [1, 3]);
    const run = { run: 'centroid', run_index: 0, max_epochs: 5 };
    const fetched: RoomEvent = {
      type: 'curve',
      jobId: JOB,
      runs: [{ ...run, epochs: [1, 2], train_loss: [1, 0.5], val_loss: [1, 0.5] }],
    };
    assert.deepEqual(afterEvent(live, fetched).curves.get(JOB)?.[0]?.epochs, [1, 2, 3]);
    const behind = room(progress({ epoch: epoch(1) }), fetched);
    assert.deepEqual(behind.curves.get(JOB)?.[0]?.epochs, [1, 2], 'an older epoch takes nothing away');
  });

  it('keeps what it was told of a job in full when the list comes again', () => {
    const model = { id: 'a3f5e8c9', model_type: 'centroid', aliases: ['mice'], run: 'centroid' } as const;
    const full = status({ phase: 'done', worker: 'w1', models: [{ ...model, aliases: ['mice'] }] });
    const state = room(listed([status({ phase: 'training' })]), told(full), listed([status({ phase: 'training' })]));
    assert.deepEqual(state.jobs?.[0]?.word, full, 'also while the list lags behind');
    const folded = afterEvent(room(listed([status()]), told(status())), { type: 'job_toggled', jobId: JOB });
    const moved = afterEvent(folded, listed([status({ phase: 'training' })]));
    assert.equal(moved.jobs?.[0]?.word.phase, 'training');
  });

  it('unfolds a few running jobs, a quiet room’s newest one, and none that was folded', () => {
    const jobs = (phase: JobStatus['phase']) =>
      [1, 2, 3, 4, 5].map((number) => status({ job_id: `job0000000${number}`, phase }));
    assert.deepEqual([...room(listed(jobs('training'))).open], ['job00000001', 'job00000002', 'job00000003']);
    assert.deepEqual([...room(listed(jobs('done'))).open], ['job00000001']);
    const folded = room(listed([status()]), { type: 'job_toggled', jobId: JOB }, listed([status()]));
    assert.equal(folded.open.size, 0);
  });

  it('says what cannot be had, until it can', () => {
    const away = room({ type: 'trouble', part: 'jobs', trouble: 'Temporal is away.' });
    assert.equal(away.troubles.get('jobs'), 'Temporal is away.');
    assert.equal(afterEvent(away, { type: 'trouble', part: 'jobs', trouble: undefined }).troubles.size, 0);
  });
});
