/** Keeps a RoomState up to date: reads the live connection, and requests everything else from the API. */
import type { JobView } from '../../protocol/jobs/job-view.ts';
import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import { ApiError, RoomApi } from '../connection/api.ts';
import type { Invite, TabStorage } from '../connection/invite.ts';
import { LiveLink } from '../connection/live-link.ts';
import { afterEvent, emptyRoom, type Part, type RoomEvent, type RoomState } from './room-state.ts';
import { PHASES } from './words.ts';

/** Pause between two rounds of requests while a job runs or the live connection is lost, in ms. */
const BUSY_MS = 4000;
/** The same if nothing happens. */
const QUIET_MS = 12_000;
/** Shortest pause between two rounds, in ms, since events arrive in bursts. */
const GAP_MS = 400;

/** Options of a watch. */
export interface RoomWatchOptions {
  invite: Invite;
  /** `http://host`, the server that served the page. */
  origin: string;
  storage: TabStorage;
  onChange: (state: RoomState) => void;
  /** Called if the invite does not open the room. The watch has ended. */
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
  /** True while the list of jobs need not be requested, since every change arrives over the live connection. */
  #isListed = false;
  /** Finished jobs whose curves need not be requested again. */
  readonly #settled = new Set<string>();
  /** Jobs whose curve is known from its beginning. The live connection adds to it. */
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
        this.#apply({ type: 'link', link });
        this.nudge();
      },
      onMessage: (message) => {
        const before = this.#state;
        // The server could not replay what the page missed.
        if (message.type === 'jobs_subscribed' && message.jobs !== null) {
          this.#whole.clear();
          this.#isListed = false;
        }
        this.#apply({ type: 'message', message });
        if (isNews(before, this.#state, message)) this.nudge();
      },
      // The API refuses as well, with a remedy.
      onRefused: () => this.nudge(),
    });
  }

  start(): void {
    this.#link.start();
    void this.#run();
  }

  stop(): void {
    this.#end.abort();
    this.#link.stop();
    this.#nudged.resolve();
  }

  /** Requests the state soon, since something has happened. */
  nudge(): void {
    this.#nudged.resolve();
  }

  /** Called when the network is available again, or the page visible again. */
  wake(): void {
    this.#link.retryNow();
    this.nudge();
  }

  /** Unfolds or folds a job. */
  toggleJob(jobId: string): void {
    this.#apply({ type: 'job_toggled', jobId });
    this.nudge();
  }

  /** Shows or hides a model's download links. */
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

  async #run(): Promise<void> {
    while (!this.#end.signal.aborted) {
      this.#nudged = Promise.withResolvers<void>();
      // A hidden page requests nothing.
      if (!globalThis.document?.hidden) await this.#round();
      await pause(GAP_MS);
      await Promise.race([this.#nudged.promise, pause(this.#interval())]);
    }
  }

  #interval(): number {
    const { jobs, link } = this.#state;
    const running = jobs?.some(({ phase }) => !PHASES[phase].ended) ?? true;
    return running || !this.#isListed || link.state !== 'live' ? BUSY_MS : QUIET_MS;
  }

  async #round(): Promise<void> {
    const isNeeded = !this.#isListed || this.#state.link.state !== 'live';
    if (isNeeded) this.#isListed = true;
    const [jobs, manifest] = await Promise.all([
      isNeeded ? this.#try('jobs', () => this.#api.jobs()) : undefined,
      this.#try('models', () => this.#api.manifest()),
    ]);
    if (manifest !== undefined) this.#apply({ type: 'manifest', manifest });
    if (jobs !== undefined) this.#apply({ type: 'jobs', jobs: jobs.jobs });
    else if (isNeeded) this.#isListed = false;
    const open = (this.#state.jobs ?? []).filter(({ job_id }) => this.#state.open.has(job_id));
    await Promise.all(open.map((job) => this.#details(job)));
  }

  /** Requests what only an unfolded job shows: its curves and, if it ended before the page was opened, the rest of its view. */
  async #details(listed: JobView): Promise<void> {
    const { job_id } = listed;
    if (this.#settled.has(job_id)) return;
    let job: JobView | undefined = listed;
    if (!this.#state.known.has(job_id)) {
      job = await this.#try('details', () => this.#api.job(job_id));
      if (job === undefined) return;
      this.#apply({ type: 'job', job });
    }
    const { phase, kind } = job;
    const grows = !PHASES[phase].ended && this.#state.link.state === 'live';
    if (kind === 'training' && phase !== 'queued' && !(grows && this.#whole.has(job_id))) {
      const curve = await this.#try('details', () => this.#api.curve(job_id));
      if (curve === undefined) return;
      this.#apply({ type: 'curve', jobId: job_id, runs: curve.runs });
      if (grows) this.#whole.add(job_id);
    }
    if (PHASES[phase].ended) this.#settled.add(job_id);
  }

  /** Sends a request. If it fails, shows why on the page and returns undefined. */
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

/** True if a message may have changed more than it contains: every message except those about a job within one phase. */
function isNews(before: RoomState, after: RoomState, message: ServerMessage): boolean {
  if (message.type !== 'job_event') return true;
  const phaseIn = ({ jobs }: RoomState) => jobs?.find(({ job_id }) => job_id === message.job.job_id)?.phase;
  return phaseIn(before) !== phaseIn(after);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
