/** Everything that the page knows about the room, and how each event changes it. Pure functions: no I/O, no clock. */

import { withEpoch } from '../../protocol/jobs/curve.ts';
import type { JobView } from '../../protocol/jobs/job-view.ts';
import type { RunCurve } from '../../protocol/jobs/run-curve.ts';
import type { Manifest } from '../../protocol/models/manifest.ts';
import type { ModelFilesReply } from '../../protocol/wire/api.ts';
import type { PeerInfo, ServerMessage } from '../../protocol/wire/signaling.ts';
import type { LinkState } from '../connection/live-link.ts';
import { PHASES } from './words.ts';

/** Most jobs that are unfolded automatically. */
const MAX_OPENED_JOBS = 3;

/** What the page shows. */
export interface RoomState {
  room: string;
  link: LinkState;
  peers: ReadonlyMap<string, PeerInfo>;
  /** Undefined until it is known. */
  manifest: Manifest | undefined;
  /** Newest first; undefined until they are known. */
  jobs: readonly JobView[] | undefined;
  /** True once the list was received. Until then the jobs that have ended are missing. */
  isListed: boolean;
  /** Jobs that are completely known and up to date. The list has only a part of the others. */
  known: ReadonlySet<string>;
  curves: ReadonlyMap<string, readonly RunCurve[]>;
  /** Unfolded jobs. */
  open: ReadonlySet<string>;
  /** Requested download links by model; null while they are loading. */
  files: ReadonlyMap<string, ModelFilesReply['files'] | null>;
  /** Why a part of the page is out of date. */
  troubles: ReadonlyMap<Part, string>;
}

/** The parts of the page that are requested separately. */
export type Part = 'jobs' | 'models' | 'details';

/** Something that the page received, or that its reader did. */
export type RoomEvent =
  | { type: 'link'; link: LinkState }
  | { type: 'message'; message: ServerMessage }
  | { type: 'jobs'; jobs: readonly JobView[] }
  | { type: 'job'; job: JobView }
  | { type: 'manifest'; manifest: Manifest }
  | { type: 'curve'; jobId: string; runs: readonly RunCurve[] }
  | { type: 'job_toggled'; jobId: string }
  | { type: 'files'; modelId: string; files: ModelFilesReply['files'] | null | undefined }
  | { type: 'trouble'; part: Part; trouble: string | undefined };

/** The state of a page that has just been opened. */
export function emptyRoom(room: string): RoomState {
  return {
    room,
    link: { state: 'connecting' },
    peers: new Map(),
    manifest: undefined,
    jobs: undefined,
    isListed: false,
    known: new Set(),
    curves: new Map(),
    open: new Set(),
    files: new Map(),
    troubles: new Map(),
  };
}

/** Returns the state after an event. The given state does not change. */
export function afterEvent(state: RoomState, event: RoomEvent): RoomState {
  switch (event.type) {
    case 'link':
      return { ...state, link: event.link };
    case 'message':
      return afterMessage(state, event.message);
    case 'jobs':
      return { ...withJobs(state, listed(state, event.jobs), state.known, !state.isListed), isListed: true };
    case 'job':
      return withViews(state, [event.job]);
    case 'manifest':
      return { ...state, manifest: event.manifest };
    case 'curve':
      return { ...state, curves: withEntry(state.curves, event.jobId, withNewest(state, event.jobId, event.runs)) };
    case 'job_toggled': {
      const open = new Set(state.open);
      if (!open.delete(event.jobId)) open.add(event.jobId);
      return { ...state, open };
    }
    case 'files':
      return { ...state, files: withEntry(state.files, event.modelId, event.files) };
    case 'trouble':
      return { ...state, troubles: withEntry(state.troubles, event.part, event.trouble) };
  }
}

function afterMessage(state: RoomState, message: ServerMessage): RoomState {
  switch (message.type) {
    case 'registered_auth':
      return { ...state, peers: new Map(message.peer_list.map((peer) => [peer.peer_id, peer])) };
    case 'peer_joined':
    case 'peer_updated':
      return { ...state, peers: withEntry(state.peers, message.peer.peer_id, message.peer) };
    case 'peer_left':
      return { ...state, peers: withEntry(state.peers, message.peer_id, undefined) };
    case 'jobs_subscribed':
      return message.jobs === null ? state : withSnapshot(state, message.jobs);
    case 'job_event':
      return withViews(state, [message.job]);
    default:
      return state;
  }
}

/** After an interruption, the server sends all jobs that have not ended. Other running jobs on the page have ended meanwhile. */
function withSnapshot(state: RoomState, views: readonly JobView[]): RoomState {
  const running = new Set(views.map(({ job_id }) => job_id));
  const over = (state.jobs ?? []).filter(({ job_id, phase }) => !PHASES[phase].ended && !running.has(job_id));
  const known = new Set([...state.known].filter((id) => over.every(({ job_id }) => job_id !== id)));
  return withViews({ ...state, known }, views);
}

/** Adds or replaces jobs. */
function withViews(state: RoomState, views: readonly JobView[]): RoomState {
  const known = new Set([...state.known, ...views.map(({ job_id }) => job_id)]);
  const fresh = new Set(views.map(({ job_id }) => job_id));
  const jobs = [...(state.jobs ?? []).filter(({ job_id }) => !fresh.has(job_id)), ...views];
  const curves = new Map(state.curves);
  for (const { job_id, epoch } of views) {
    if (epoch !== undefined) curves.set(job_id, withEpoch(curves.get(job_id) ?? [], epoch));
  }
  return withJobs({ ...state, curves }, jobs, known);
}

/**
 * The list of the API, with the jobs of which the page knows more: those that the live connection updates, and those that have
 * ended. The list may also lack the newest ones.
 */
function listed(state: RoomState, jobs: readonly JobView[]): JobView[] {
  const isLive = state.link.state === 'live';
  const known = new Map((state.jobs ?? []).map((job) => [job.job_id, job]));
  const newer = (state.jobs ?? []).filter(({ job_id }) => jobs.every((job) => job.job_id !== job_id));
  const merged = jobs.map((job) => {
    const before = state.known.has(job.job_id) ? known.get(job.job_id) : undefined;
    return before !== undefined && (isLive || PHASES[before.phase].ended) ? before : job;
  });
  return [...newer, ...merged];
}

function withJobs(
  state: RoomState,
  unsorted: readonly JobView[],
  known: ReadonlySet<string>,
  isFirstList = false,
): RoomState {
  const jobs = unsorted.toSorted((a, b) => b.submitted_at.localeCompare(a.submitted_at));
  return { ...state, jobs, known, open: opened(state, jobs, isFirstList) };
}

/** Unfolds jobs that begin to run. If no job runs when the page is opened, unfolds the newest one. */
function opened(state: RoomState, jobs: readonly JobView[], isFirstList: boolean): ReadonlySet<string> {
  const before = new Set(state.jobs?.map(({ job_id }) => job_id));
  const running = jobs.filter(({ phase }) => !PHASES[phase].ended);
  const news = running.filter(({ job_id }) => !before.has(job_id));
  const room = MAX_OPENED_JOBS - running.filter(({ job_id }) => state.open.has(job_id)).length;
  const wanted = news.slice(0, Math.max(0, room)).map(({ job_id }) => job_id);
  const [newest] = jobs;
  if (isFirstList && running.length === 0 && newest !== undefined) wanted.push(newest.job_id);
  return wanted.length === 0 ? state.open : new Set([...state.open, ...wanted]);
}

/** Adds the newest epoch of the live connection if the loaded curve does not have it. */
function withNewest(state: RoomState, jobId: string, runs: readonly RunCurve[]): readonly RunCurve[] {
  const epoch = state.jobs?.find(({ job_id }) => job_id === jobId)?.epoch;
  if (epoch === undefined) return runs;
  const last = runs.find(({ run }) => run === epoch.run)?.epochs.at(-1) ?? 0;
  return epoch.epoch > last ? withEpoch(runs, epoch) : runs;
}

/** The room's workers by name. */
export function workersOf(state: RoomState): PeerInfo[] {
  const workers = [...state.peers.values()].filter(({ role }) => role === 'worker');
  return workers.sort((a, b) => a.peer_id.localeCompare(b.peer_id));
}

function withEntry<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key, value: Value | undefined): Map<Key, Value> {
  const copy = new Map(map);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy;
}
