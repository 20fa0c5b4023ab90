import { EventEmitter, once } from 'node:events';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { WorkerStatus } from '../../../protocol/peer-messages.ts';

/** The right to use the worker's GPU, held by one session until it ends. */
export interface GpuLease {
  readonly sessionId: string;
  readonly jobId: string;
  /** Aborted when the session is ended by its workflow. */
  readonly ended: AbortSignal;
  /** Aborted when the session has come again and has another lease now. */
  readonly takenOver: AbortSignal;
  /** Frees the slot; calling it again does nothing. */
  release(): void;
}

interface Holder {
  lease: GpuLease;
  end: AbortController;
  takeOver: AbortController;
}

/** Who may keep the slot from being taken, each for a reason of its own. */
export type Closer = 'stopping' | 'draining' | 'unhealthy';

/** Ended sessions that are remembered, some 40 bytes each: a worker is asked to hold on within half a minute, or not at all. */
const REMEMBERED = 1_000;

/**
 * The one GPU slot of a worker, shared by every session queue that the worker polls. A worker runs one job at a time whatever
 * the number of its queues: who finds the slot taken is handed back to Temporal with `GPU_BUSY`.
 */
export class GpuSlot {
  readonly #changes = new EventEmitter();
  readonly #closed = new Map<Closer, string>();
  /** Ids of sessions that were ended, oldest first. */
  readonly #ended = new Set<string>();
  #holder: Holder | undefined;

  constructor() {
    // One listener a queue waits here, and a worker polls as many queues as requirement classes it meets.
    this.#changes.setMaxListeners(0);
  }

  /** The job that holds the slot now. */
  get jobId(): string | undefined {
    return this.#holder?.lease.jobId;
  }

  /** True where a session may be taken. */
  get free(): boolean {
    return this.#holder === undefined && this.#closed.size === 0;
  }

  /** How the worker stands, as the room is told. */
  get status(): WorkerStatus {
    if (this.#closed.has('stopping')) return 'draining';
    if (this.#closed.has('draining')) return this.#holder === undefined ? 'drained' : 'draining';
    if (this.#closed.has('unhealthy')) return 'unhealthy';
    return this.#holder === undefined ? 'available' : 'busy';
  }

  /** Why no session is taken, as a sentence; undefined where one may be, or another holds the slot. */
  get reason(): string | undefined {
    const [reason] = this.#closed.values();
    return reason;
  }

  /** Calls `listener` whenever the slot is taken, freed, closed or opened, until the returned function is called. */
  onChange(listener: () => void): () => void {
    this.#changes.on('change', listener);
    return () => this.#changes.off('change', listener);
  }

  /**
   * Takes the slot. A session that comes again takes its own lease over, also where the slot is closed to others.
   * @throws SleapRtcError GPU_BUSY where another session holds it, or it is closed
   */
  acquire(sessionId: string, jobId: string): GpuLease {
    if (this.#holder !== undefined && this.#holder.lease.sessionId !== sessionId) {
      throw new SleapRtcError('GPU_BUSY', `The GPU is taken by job ${this.#holder.lease.jobId}.`);
    }
    if (this.#holder === undefined && this.#closed.size > 0)
      throw new SleapRtcError('GPU_BUSY', 'The worker takes no new jobs.');
    const end = new AbortController();
    const takeOver = new AbortController();
    const lease: GpuLease = {
      sessionId,
      jobId,
      ended: end.signal,
      takenOver: takeOver.signal,
      release: () => {
        if (this.#holder?.lease !== lease) return;
        this.#holder = undefined;
        this.#changes.emit('change');
      },
    };
    this.#holder?.takeOver.abort();
    this.#holder = { lease, end, takeOver };
    this.#changes.emit('change');
    return lease;
  }

  /** Ends a session: its lease's `ended` fires. Resolves when it has let go; one that is not here has ended already. */
  async end(sessionId: string, signal: AbortSignal): Promise<void> {
    this.#ended.add(sessionId);
    for (const oldest of this.#ended) {
      if (this.#ended.size <= REMEMBERED) break;
      this.#ended.delete(oldest);
    }
    while (this.#holder?.lease.sessionId === sessionId) {
      const changed = once(this.#changes, 'change', { signal });
      this.#holder.end.abort();
      await changed;
    }
  }

  /** True where a session was ended, so that it must not be taken again: nobody would end it a second time. */
  hasEnded(sessionId: string): boolean {
    return this.#ended.has(sessionId);
  }

  /** From now on no session is taken; the one that runs goes on. */
  close(who: Closer, reason: string): void {
    this.#closed.set(who, reason);
    this.#changes.emit('change');
  }

  /** Takes `close` back; the slot stays closed where somebody else has closed it, too. */
  open(who: Closer): void {
    if (this.#closed.delete(who)) this.#changes.emit('change');
  }

  /** Resolves when the slot is free. @throws the signal's reason when aborted first */
  async whenFree(signal: AbortSignal): Promise<void> {
    while (!this.free) await once(this.#changes, 'change', { signal });
  }

  /** Resolves when no session holds the slot, whether or not one may be taken. @throws the signal's reason */
  async whenEmpty(signal: AbortSignal): Promise<void> {
    while (this.#holder !== undefined) await once(this.#changes, 'change', { signal });
  }
}
