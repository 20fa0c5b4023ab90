/** Keeps a RoomState true: listens to the live connection, and asks the API for what does not come over it. */
import type { ServerMessage } from '../../protocol/signaling.ts';
import { ApiError, RoomApi } from '../connection/api.ts';
import type { Invite, TabStorage } from '../connection/invite.ts';
import { LiveLink } from '../connection/live-link.ts';
import { afterEvent, emptyRoom, type Part, type RoomEvent, type RoomState } from './room-state.ts';
import { PHASES } from './words.ts';

/** Jobs and models are asked for this often while something is going on or the live connection is away, in ms. */
const BUSY_MS = 4000;
/** The same on a quiet page. */
const QUIET_MS = 12_000;
/** Least time between two rounds of questions, in ms: events come in bursts. */
const GAP_MS = 400;

/** What a watch needs and tells. */
export interface RoomWatchOptions {
  invite: Invite;
  /** `http://host`, the server that served the page. */
  origin: string;
  storage: TabStorage;
  onChange: (state: RoomState) => void;
  /** The room is shut for this invite; the watch has ended. */
  onRefused: (sentence: string) => void;
}

/** Watches one room from `start` to `stop`. */
export class RoomWatch {
  readonly #options: RoomWatchOptions;
  readonly #end = new AbortController();
  readonly #api: RoomApi;
  readonly #link: LiveLink;
  #state: RoomState;
  #nudged = Promise.withResolvers<void>();
  /** Finished jobs whose details need not be asked for again. */
  readonly #settled = new Set<string>();
  /** Jobs whose curve is known from its beginning; the live connection adds to it. */
  readonly #whole = new Set<string>();

  constructor(options: RoomWatchOptions) {
    this.#options = options;
    this.#state = emptyRoom(options.invite.room);
    this.#api = new RoomApi(options.invite, { storage: options.storage, signal: this.#end.signal });
    this.#link = new LiveLink({
      url: `${options.origin.replace(/^http/, 'ws')}/ws`,
      invite: options.invite,
      idToken: () => this.#api.idToken(),
      onSignedOut: (idToken) => this.#api.signOut(idToken),
      onState: (link) => {
        // What came while the connection was away is missing in the curves.
        this.#whole.clear();
        this.#apply({ type: 'link', link });
        this.nudge();
      },
      onMessage: (message) => {
        const before = this.#state;
        this.#apply({ type: 'message', message, at: Date.now() });
        if (isNews(before, this.#state, message)) this.nudge();
      },
      // The API refuses as well, and says what to do.
      onRefused: () => this.nudge(),
    });
  }

  start(): void {
    this.#link.start();
    void this.#ask();
  }

  stop(): void {
    this.#end.abort();
    this.#link.stop();
    this.#nudged.resolve();
  }

  /** Asks soon instead of at the next turn: something has happened. */
  nudge(): void {
    this.#nudged.resolve();
  }

  /** The network is back, or the page is looked at again. */
  wake(): void {
    this.#link.retryNow();
    this.nudge();
  }

  /** Unfolds a job, or folds it. */
  toggleJob(jobId: string): void {
    this.#apply({ type: 'job_toggled', jobId });
    this.nudge();
  }

  /** Fetches a model's download links, or puts them away. */
  async toggleFiles(modelId: string): Promise<void> {
    if (this.#state.files.has(modelId)) {
      this.#apply({ type: 'files', modelId, files: undefined });
      return;
    }
    this.#apply({ type: 'files', modelId, files: null });
    const reply = await this.#try('models', () => this.#api.modelFiles(modelId));
    this.#apply({ type: 'files', modelId, files: reply?.files });
  }

  #apply(event: RoomEvent): void {
    if (this.#end.signal.aborted) return;
    this.#state = afterEvent(this.#state, event);
    this.#options.onChange(this.#state);
  }

  async #ask(): Promise<void> {
    while (!this.#end.signal.aborted) {
      this.#nudged = Promise.withResolvers<void>();
      // A page that nobody looks at asks for nothing.
      if (!globalThis.document?.hidden) await this.#round();
      await pause(GAP_MS);
      await Promise.race([this.#nudged.promise, pause(this.#interval())]);
    }
  }

  #interval(): number {
    const { jobs, progress } = this.#state;
    const running = jobs?.some(({ word }) => !PHASES[word.phase].ended) ?? true;
    // A job that a worker tells of may not be listed yet.
    const heard = [...progress.values()].some(({ at }) => Date.now() - at < BUSY_MS);
    return running || heard || this.#state.link.state !== 'live' ? BUSY_MS : QUIET_MS;
  }

  async #round(): Promise<void> {
    const [jobs, manifest] = await Promise.all([
      this.#try('jobs', () => this.#api.jobs()),
      this.#try('models', () => this.#api.manifest()),
    ]);
    if (manifest !== undefined) this.#apply({ type: 'manifest', manifest });
    if (jobs !== undefined) this.#apply({ type: 'jobs', jobs: jobs.jobs, at: Date.now() });
    const open = (this.#state.jobs ?? []).filter(({ word }) => this.#state.open.has(word.job_id));
    await Promise.all(open.map(({ word }) => this.#details(word.job_id)));
  }

  /** What is shown of an unfolded job only. */
  async #details(jobId: string): Promise<void> {
    if (this.#settled.has(jobId)) return;
    const reply = await this.#try('details', () => this.#api.job(jobId));
    if (reply === undefined) return;
    this.#apply({ type: 'job', reply, at: Date.now() });
    const { phase, kind } = reply.status;
    const grows = !PHASES[phase].ended && this.#state.link.state === 'live';
    if (kind === 'training' && phase !== 'queued' && !(grows && this.#whole.has(jobId))) {
      const curve = await this.#try('details', () => this.#api.curve(jobId));
      if (curve === undefined) return;
      this.#apply({ type: 'curve', jobId, runs: curve.runs });
      if (grows) this.#whole.add(jobId);
    }
    if (PHASES[phase].ended) this.#settled.add(jobId);
  }

  /** Asks, and says on the page what cannot be had; undefined then. */
  async #try<Reply>(part: Part, ask: () => Promise<Reply>): Promise<Reply | undefined> {
    try {
      const reply = await ask();
      if (this.#state.troubles.has(part)) this.#apply({ type: 'trouble', part, trouble: undefined });
      return reply;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.refused) this.#refuse(error);
      else this.#apply({ type: 'trouble', part, trouble: `${error.message} ${error.remedy}`.trim() });
      return undefined;
    }
  }

  #refuse({ message, remedy }: ApiError): void {
    if (this.#end.signal.aborted) return;
    this.stop();
    this.#options.onRefused(`${message} ${remedy}`.trim());
  }
}

/** True where a message may have changed more than the page learns from it: all but progress within a phase. */
function isNews(before: RoomState, after: RoomState, message: ServerMessage): boolean {
  if (message.type !== 'peer_message' || message.payload.type !== 'progress') return true;
  const { job_id } = message.payload;
  return before.progress.get(job_id)?.word.phase !== after.progress.get(job_id)?.word.phase;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
