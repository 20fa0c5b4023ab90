import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import type { Request } from './pending-requests.ts';

/** Which of the room's jobs a client follows, and the newest event that it has. */
export class JobSubscription {
  readonly #request: (request: Request) => Promise<ServerMessage>;
  #jobs: { jobId: string | undefined; seq: number | undefined } | undefined;

  constructor(request: (request: Request) => Promise<ServerMessage>) {
    this.#request = request;
  }

  get isActive(): boolean {
    return this.#jobs !== undefined;
  }

  /** Follows one job, or all jobs of the room. */
  async start(jobId: string | undefined): Promise<void> {
    this.#jobs = { jobId, seq: undefined };
    await this.resume();
  }

  /** Subscribes again, from the newest event on. */
  async resume(): Promise<void> {
    const { jobId: job_id, seq: since_seq } = this.#jobs ?? {};
    await this.#request({
      type: 'subscribe_jobs',
      ...(job_id === undefined ? {} : { job_id }),
      ...(since_seq === undefined ? {} : { since_seq }),
    });
  }

  /** An event or a reply with this sequence number has arrived. */
  received(seq: number): void {
    if (this.#jobs !== undefined) this.#jobs.seq = seq;
  }
}
