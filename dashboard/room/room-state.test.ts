import assert from 'node:assert/strict';
import type { EpochProgress, JobView } from '../../protocol/jobs/job-view.ts';
import type { PeerInfo, ServerMessage } from '../../protocol/wire/signaling.ts';
import { afterEvent, emptyRoom, type RoomEvent, type RoomState, workersOf } from './room-state.ts';

const JOB = 'job00000001';

function view(more: Partial<JobView> = {}): JobView {
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
    temporal_ui_url: 'http://ui.test',
    ...more,
  };
}

function epoch(number: number): EpochProgress {
  const losses = { train_loss: 1 / number, val_loss: 1 / number };
  return { run: 'centroid', run_index: 0, run_count: 1, epoch: number, max_epochs: 5, seconds_left: null, ...losses };
}

function peer(peer_id: string, role: PeerInfo['role'] = 'worker', gpu = 'A100'): PeerInfo {
  const metadata = { tags: [], properties: { gpu_model: gpu } };
  return { peer_id, role, user_id: 'user-1', metadata, connected_at: '2026-01-01T00:00:00Z' };
}

const message = (text: ServerMessage): RoomEvent => ({ type: 'message', message: text });
const listed = (jobs: JobView[]): RoomEvent => ({ type: 'jobs', jobs });
const fullView = (job: JobView): RoomEvent => ({ type: 'job', job });
const event = (more: Partial<JobView>, seq = 1): RoomEvent => message({ type: 'job_event', seq, job: view(more) });
const snapshot = (jobs: JobView[] | null): RoomEvent => message({ type: 'jobs_subscribed', seq: 1, jobs });
const room = (...events: RoomEvent[]): RoomState => events.reduce(afterEvent, emptyRoom('lab-mice'));

describe('the state of the page', () => {
  it('follows workers as they come, change and go, and starts again after a reconnect', () => {
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

  it('prefers the streamed view of a job to the one in the list', () => {
    const streamed = room(
      { type: 'link', link: { state: 'live' } },
      listed([view()]),
      event({ phase: 'training', worker: 'w1' }),
      listed([view()]),
    );
    assert.partialDeepStrictEqual(streamed.jobs, [{ phase: 'training', worker: 'w1' }]);
    const back = afterEvent(streamed, event({ phase: 'queued', detail: 'the worker was lost' }));
    assert.partialDeepStrictEqual(back.jobs, [{ phase: 'queued', worker: null, detail: 'the worker was lost' }]);
    const other = afterEvent(back, event({ job_id: 'job00000002', submitted_at: '2026-01-02T00:00:00Z' }));
    assert.deepEqual(
      other.jobs?.map(({ job_id }) => job_id),
      ['job00000002', JOB],
      'one that the list does not have yet is the newest',
    );
  });

  it('requests a job again that ended while the page was disconnected, unless its events are replayed', () => {
    const before = room(listed([]), snapshot([view({ phase: 'training' })]));
    assert.ok(before.known.has(JOB));
    const missed = afterEvent(before, snapshot([]));
    assert.ok(!missed.known.has(JOB));
    assert.equal(afterEvent(missed, listed([view({ phase: 'done' })])).jobs?.[0]?.phase, 'done');
    const replayed = room(
      listed([]),
      snapshot([view({ phase: 'training' })]),
      snapshot(null),
      event({ phase: 'done' }),
    );
    assert.equal(replayed.jobs?.[0]?.phase, 'done');
  });

  it('adds live epochs to a curve, also if they are newer than the loaded curve', () => {
    const live = room(event({ phase: 'training', epoch: epoch(1) }), event({ phase: 'training', epoch: epoch(3) }));
    assert.deepEqual(live.curves.get(JOB)?.[0]?.epochs, [1, 3]);
    const run = { run: 'centroid', run_index: 0, max_epochs: 5 };
    const fetched: RoomEvent = {
      type: 'curve',
      jobId: JOB,
      runs: [{ ...run, epochs: [1, 2], train_loss: [1, 0.5], val_loss: [1, 0.5] }],
    };
    assert.deepEqual(afterEvent(live, fetched).curves.get(JOB)?.[0]?.epochs, [1, 2, 3]);
    const behind = room(event({ phase: 'training', epoch: epoch(1) }), fetched);
    assert.deepEqual(behind.curves.get(JOB)?.[0]?.epochs, [1, 2], 'an older epoch removes nothing');
  });

  it('retains the full view of a job when the list comes again', () => {
    const model = { id: 'a3f5e8c9', model_type: 'centroid', aliases: ['mice'], run: 'centroid' } as const;
    const full = view({ phase: 'done', worker: 'w1', models: [{ ...model, aliases: ['mice'] }] });
    const state = room(listed([view({ phase: 'training' })]), fullView(full), listed([view({ phase: 'training' })]));
    assert.deepEqual(state.jobs?.[0], full, 'also while the list lags behind');
    const folded = afterEvent(room(listed([view()]), fullView(view())), { type: 'job_toggled', jobId: JOB });
    const moved = afterEvent(folded, listed([view({ phase: 'training' })]));
    assert.equal(moved.jobs?.[0]?.phase, 'training');
  });

  it('unfolds a few running jobs, or the newest one if none runs, and none that was folded', () => {
    const jobs = (phase: JobView['phase']) =>
      [1, 2, 3, 4, 5].map((number) => view({ job_id: `job0000000${number}`, phase }));
    assert.deepEqual([...room(listed(jobs('training'))).open], ['job00000001', 'job00000002', 'job00000003']);
    assert.deepEqual([...room(listed(jobs('done'))).open], ['job00000001']);
    const live = room(snapshot([]), listed(jobs('done')));
    assert.deepEqual([...live.open], ['job00000001'], 'also if the live connection was first');
    const folded = room(listed([view()]), { type: 'job_toggled', jobId: JOB }, listed([view()]));
    assert.equal(folded.open.size, 0);
  });

  it('shows which part is out of date, until it is loaded', () => {
    const away = room({ type: 'trouble', part: 'jobs', trouble: 'Temporal is away.' });
    assert.equal(away.troubles.get('jobs'), 'Temporal is away.');
    assert.equal(afterEvent(away, { type: 'trouble', part: 'jobs', trouble: undefined }).troubles.size, 0);
  });
});
