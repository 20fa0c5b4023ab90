/** Everything that the page knows of the room, and how each word that comes in changes it. Pure: no I/O, no clock of its own. */
import type { JobReply, ModelFilesReply, RunCurve } from '../../protocol/api.ts';
import { withEpoch } from '../../protocol/curve.ts';
import type { JobStatus } from '../../protocol/job.ts';
import type { Manifest } from '../../protocol/manifest.ts';
import type { ProgressMessage } from '../../protocol/peer-messages.ts';
import type { PeerInfo, ServerMessage } from '../../protocol/signaling.ts';
import type { LinkState } from '../connection/live-link.ts';
import { isLater, PHASES } from './words.ts';

/** Jobs that are unfolded by themselves at most. */
const OPEN_BY_ITSELF = 3;
/** A worker that has said nothing for so long, in ms, no longer counts as the better source of a job's phase. */
const SILENT_MS = 6000;

/** A word on a job and when it was heard, in ms since 1970. */
interface Heard<Word> {
  word: Word;
  at: number;
}

/** What the API says of a job: the list's entry, or in full. */
interface KnownJob extends Heard<JobStatus> {
  full: boolean;
}

export interface RoomState {
  room: string;
  link: LinkState;
  peers: ReadonlyMap<string, PeerInfo>;
  /** Undefined until they are known. */
  manifest: Manifest | undefined;
  /** Newest first; undefined until they are known. */
  jobs: readonly KnownJob[] | undefined;
  /** Each job's newest live progress. */
  progress: ReadonlyMap<string, Heard<ProgressMessage>>;
  curves: ReadonlyMap<string, readonly RunCurve[]>;
  /** Pages in the Temporal UI by job; null where there is no UI. */
  temporalUrls: ReadonlyMap<string, string | null>;
  /** Unfolded jobs. */
  open: ReadonlySet<string>;
  /** Download links of the models that they were asked for; null while they are fetched. */
  files: ReadonlyMap<string, ModelFilesReply['files'] | null>;
  /** What cannot be had at the moment, by part of the page. */
  troubles: ReadonlyMap<Part, string>;
}

/** The parts of the page that are fetched on their own. */
export type Part = 'jobs' | 'models' | 'details';

/** Something that the page has heard or that its reader did. */
export type RoomEvent =
  | { type: 'link'; link: LinkState }
  | { type: 'message'; message: ServerMessage; at: number }
  | { type: 'jobs'; jobs: readonly JobStatus[]; at: number }
  | { type: 'job'; reply: JobReply; at: number }
  | { type: 'manifest'; manifest: Manifest }
  | { type: 'curve'; jobId: string; runs: readonly RunCurve[] }
  | { type: 'job_toggled'; jobId: string }
  | { type: 'files'; modelId: string; files: ModelFilesReply['files'] | null | undefined }
  | { type: 'trouble'; part: Part; trouble: string | undefined };

/** A page that knows nothing yet. */
export function emptyRoom(room: string): RoomState {
  return {
    room,
    link: { state: 'connecting' },
    peers: new Map(),
    manifest: undefined,
    jobs: undefined,
    progress: new Map(),
    curves: new Map(),
    temporalUrls: new Map(),
    open: new Set(),
    files: new Map(),
    troubles: new Map(),
  };
}

/** The state after an event; the given one is left as it is. */
export function afterEvent(state: RoomState, event: RoomEvent): RoomState {
  switch (event.type) {
    case 'link':
      return { ...state, link: event.link };
    case 'message':
      return afterMessage(state, event.message, event.at);
    case 'jobs': {
      const known = new Map(state.jobs?.map((job) => [job.word.job_id, job]));
      const jobs = event.jobs.map((word) =>
        listed({ word, at: event.at, full: false }, known.get(word.job_id), state.open),
      );
      return { ...state, jobs, open: opened(state, event.jobs) };
    }
    case 'job': {
      const { status, temporal_ui_url } = event.reply;
      const jobs = state.jobs?.map((job) =>
        job.word.job_id === status.job_id ? { word: status, at: event.at, full: true } : job,
      );
      return { ...state, jobs, temporalUrls: withEntry(state.temporalUrls, status.job_id, temporal_ui_url) };
    }
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

function afterMessage(state: RoomState, message: ServerMessage, at: number): RoomState {
  switch (message.type) {
    case 'registered_auth':
      return { ...state, peers: new Map(message.peer_list.map((peer) => [peer.peer_id, peer])) };
    case 'peer_joined':
    case 'peer_updated':
      return { ...state, peers: withEntry(state.peers, message.peer.peer_id, message.peer) };
    case 'peer_left':
      return { ...state, peers: withEntry(state.peers, message.peer_id, undefined) };
    case 'peer_message': {
      const { payload: word } = message;
      // Only a worker's own word counts.
      if (word.type !== 'progress' || word.worker !== message.from_peer_id) return state;
      const progress = withEntry(state.progress, word.job_id, { word, at });
      if (word.epoch === undefined) return { ...state, progress };
      const curve = withEpoch(state.curves.get(word.job_id) ?? [], word.epoch);
      return { ...state, progress, curves: withEntry(state.curves, word.job_id, curve) };
    }
    default:
      return state;
  }
}

/**
 * Which word on a job to keep. The list knows neither worker nor models and its phase may be seconds old, so a fuller word
 * stays where it says the same or the end, and where it is asked for anew anyway.
 */
function listed(entry: KnownJob, known: KnownJob | undefined, open: ReadonlySet<string>): KnownJob {
  if (known === undefined || !known.full) return entry;
  const { phase, job_id } = known.word;
  return phase === entry.word.phase || PHASES[phase].ended || open.has(job_id) ? known : entry;
}

/** Unfolds jobs that begin to run, and on a quiet page the newest one, so that there is something to see. */
function opened(state: RoomState, jobs: readonly JobStatus[]): ReadonlySet<string> {
  const known = new Set(state.jobs?.map(({ word }) => word.job_id));
  const running = jobs.filter(({ phase }) => !PHASES[phase].ended);
  const news = running.filter(({ job_id }) => !known.has(job_id));
  const room = OPEN_BY_ITSELF - running.filter(({ job_id }) => state.open.has(job_id)).length;
  const wanted = news.slice(0, Math.max(0, room)).map(({ job_id }) => job_id);
  const [newest] = jobs;
  if (state.jobs === undefined && running.length === 0 && newest !== undefined) wanted.push(newest.job_id);
  return wanted.length === 0 ? state.open : new Set([...state.open, ...wanted]);
}

/** A fetched curve may have been overtaken by an epoch that came over the live connection. */
function withNewest(state: RoomState, jobId: string, runs: readonly RunCurve[]): readonly RunCurve[] {
  const epoch = state.progress.get(jobId)?.word.epoch;
  if (epoch === undefined) return runs;
  const last = runs.find(({ run }) => run === epoch.run)?.epochs.at(-1) ?? 0;
  return epoch.epoch > last ? withEpoch(runs, epoch) : runs;
}

/** A job as it is shown: the API's word or the worker's, whichever is the better one now. */
export interface ShownJob {
  status: JobStatus;
  /** Set while a worker tells of it. */
  live: ProgressMessage | undefined;
}

/**
 * Decides whom to believe on a job. The API's word is final on how a job ended, but lags behind by seconds until then; a
 * worker's is fresh until it falls silent.
 */
export function shownJob(
  { word, at }: Heard<JobStatus>,
  heard: Heard<ProgressMessage> | undefined,
  now: number,
): ShownJob {
  if (heard === undefined || PHASES[word.phase].ended) return { status: word, live: undefined };
  const overtaken = heard.at < at && (isLater(word.phase, heard.word.phase) || now - heard.at > SILENT_MS);
  if (overtaken) return { status: word, live: undefined };
  const { phase, worker, detail } = heard.word;
  return { status: { ...word, phase, worker, detail: detail ?? word.detail }, live: heard.word };
}

/** All jobs as they are shown now, newest first. */
export function shownJobs(state: RoomState, now: number): ShownJob[] {
  return (state.jobs ?? []).map((job) => shownJob(job, state.progress.get(job.word.job_id), now));
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
