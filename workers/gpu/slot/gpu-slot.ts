import { EventEmitter, once } from 'node:events';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { WorkerStatus } from '../../../protocol/wire/peer-messages.ts';

/** The right to use the worker's GPU. One session has it until it ends. */
export interface GpuLease {
  readonly sessionId: string;
  readonly jobId: string;
  /** Aborted when the session is ended by its workflow. */
  readonly ended: AbortSignal;
  /** Aborted when a later attempt of the session has taken the slot over, with a lease of its own. */
  readonly takenOver: AbortSignal;
  /** True if the session was ended with the wish that the job's files stay on the worker. */
  readonly keepsFiles: boolean;
  /** Frees the slot; calling it again does nothing. */
  release(): void;
}

interface Occupant {
  lease: GpuLease;
  keepsFiles: boolean;
  end: AbortController;
  takeOver: AbortController;
}

/** The parts that may close the slot, each for a reason of its own. */
export type Closer = 'stopping' | 'draining' | 'unhealthy';

/** Ended sessions that are remembered, about 40 bytes each. A worker is asked within half a minute to continue a session, or never. */
const REMEMBERED = 1_000;

/**
 * The one GPU slot of a worker, shared by every session queue that the worker polls. A worker runs one job at a time, however many
 * queues it polls: a session that finds the slot taken is handed back to Temporal with `GPU_BUSY`.
 */
export class GpuSlot {
  readonly #changes = new EventEmitter();
  readonly #closed = new Map<Closer, string>();
  /** Ids of sessions that were ended, oldest first. */
  readonly #ended = new Set<string>();
  #occupant: Occupant | undefined;

  constructor() {
    // Each queue that waits is one listener, and a worker polls a queue for each requirement class that it meets.
    this.#changes.setMaxListeners(0);
  }

  /** The job that has the slot now. */
  get jobId(): string | undefined {
    return this.#occupant?.lease.jobId;
  }

  /** The session that has the slot now. */
  get sessionId(): string | undefined {
    return this.#occupant?.lease.sessionId;
  }

  /** True if a session may take the slot. */
  get free(): boolean {
    return this.#occupant === undefined && this.#closed.size === 0;
  }

  /** The worker's status, as the room sees it. */
  get status(): WorkerStatus {
    if (this.#closed.has('stopping')) return 'draining';
    if (this.#closed.has('draining')) return this.#occupant === undefined ? 'drained' : 'draining';
    if (this.#closed.has('unhealthy')) return 'unhealthy';
    return this.#occupant === undefined ? 'available' : 'busy';
  }

  /** Why no session is taken, as a sentence; undefined if the slot is not closed. */
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
   * Takes the slot. A later attempt of the session that has it takes it over, even if the slot is closed to others.
   * @throws SleapRtcError GPU_BUSY if another session has it, or it is closed
   */
  acquire(sessionId: string, jobId: string): GpuLease {
    if (this.#occupant !== undefined && this.#occupant.lease.sessionId !== sessionId) {
      throw new SleapRtcError('GPU_BUSY', `The GPU is taken by job ${this.#occupant.lease.jobId}.`);
    }
    if (this.#occupant === undefined && this.#closed.size > 0)
      throw new SleapRtcError('GPU_BUSY', 'The worker takes no new jobs.');
    const end = new AbortController();
    const takeOver = new AbortController();
    const occupant: Omit<Occupant, 'lease'> = { keepsFiles: false, end, takeOver };
    const lease: GpuLease = {
      sessionId,
      jobId,
      get keepsFiles() {
        return occupant.keepsFiles;
      },
      ended: end.signal,
      takenOver: takeOver.signal,
      release: () => {
        if (this.#occupant?.lease !== lease) return;
        this.#occupant = undefined;
        this.#changes.emit('change');
      },
    };
    this.#occupant?.takeOver.abort();
    this.#occupant = Object.assign(occupant, { lease });
    this.#changes.emit('change');
    return lease;
  }

  /** Ends a session: its lease's `ended` is aborted. Resolves when it has released the slot; one that is not here has ended already. */
  async end(sessionId: string, { keepFiles, signal }: { keepFiles: boolean; signal: AbortSignal }): Promise<void> {
    this.#ended.add(sessionId);
    for (const oldest of this.#ended) {
      if (this.#ended.size <= REMEMBERED) break;
      this.#ended.delete(oldest);
    }
    while (this.#occupant?.lease.sessionId === sessionId) {
      const changed = once(this.#changes, 'change', { signal });
      this.#occupant.keepsFiles = keepFiles;
      this.#occupant.end.abort();
      await changed;
    }
  }

  /** True if a session was ended. It must not take the slot again, because it would never be ended. */
  hasEnded(sessionId: string): boolean {
    return this.#ended.has(sessionId);
  }

  /** From now on no session takes the slot; the one that has it goes on. */
  close(who: Closer, reason: string): void {
    this.#closed.set(who, reason);
    this.#changes.emit('change');
  }

  /** Undoes `close`; the slot stays closed if another part has closed it, too. */
  open(who: Closer): void {
    if (this.#closed.delete(who)) this.#changes.emit('change');
  }

  /** Resolves when the slot is free. @throws the signal's reason if it is aborted first */
  async whenFree(signal: AbortSignal): Promise<void> {
    while (!this.free) await once(this.#changes, 'change', { signal });
  }

  /** Resolves when no session has the slot, even if the slot is closed. @throws the signal's reason if it is aborted first */
  async whenEmpty(signal: AbortSignal): Promise<void> {
    while (this.#occupant !== undefined) await once(this.#changes, 'change', { signal });
  }
}
