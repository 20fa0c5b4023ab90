import { z } from 'zod';
import type { FileEntry } from '../../protocol/files.ts';
import type { RoomKey } from '../../protocol/room-key.ts';

/** Another WebRTC stack that speaks the protocol of `transport/PROTOCOL.md`. Disposing it ends its peers. */
export interface ReferenceStack extends AsyncDisposable {
  /** A peer that has received nothing yet. */
  peer(): Promise<ReferencePeer>;
}

/** A peer and the files that it has received so far, complete or not. Disposing it ends its task and removes the files. */
export interface ReferencePeer extends AsyncDisposable {
  /** Begins a task; resolves when the peer is in the room. */
  start(task: ReferenceTask): Promise<ReferenceRun>;
  /** The complete files that it has received. */
  received(): Promise<FileEntry[]>;
}

/** The task of a peer, over one connection. */
export interface ReferenceTask {
  part: 'send' | 'receive';
  /** The room's server. */
  serverUrl: string;
  roomKey: RoomKey;
  peerId: string;
  /** The peer to connect to; without it, it waits for an offer. */
  offerTo?: string;
  /** Absolute path of the folder with the files to send. */
  folder: string;
}

/** What a peer reports during its task. */
const Report = z.object({
  ready: z.literal(true).optional(),
  connected: z.literal(true).optional(),
  /** Blocks sent or received so far. */
  blocks: z.int().optional(),
  /** Number of files, when all is over. */
  done: z.int().optional(),
  /** The code of the error with which it ended. */
  error: z.string().optional(),
  message: z.string().optional(),
});
type Report = z.infer<typeof Report>;

/** A task under way, as the peer reports it. */
export class ReferenceRun {
  /** Ends the peer as if its machine had lost its power. */
  readonly cut: () => Promise<void>;
  readonly #reports: Report[] = [];
  #isOver = false;
  #wake = Promise.withResolvers<void>();

  constructor(cut: () => Promise<void>) {
    this.cut = cut;
  }

  /** Blocks sent or received so far. */
  get blocks(): number {
    return this.#reports.findLast(({ blocks }) => blocks !== undefined)?.blocks ?? 0;
  }

  /** Adds a report of the peer. */
  take(report: unknown): void {
    this.#reports.push(Report.parse(report));
    this.#wakeAll();
  }

  /** Notes that the peer will report nothing more. */
  end(): void {
    this.#isOver = true;
    this.#wakeAll();
  }

  /** The first report of which `wanted` is true. Rejects if the peer ends without one. */
  async until(wanted: (report: Report) => boolean): Promise<Report> {
    for (;;) {
      const found = this.#reports.find(wanted);
      if (found !== undefined) return found;
      if (this.#isOver) throw new Error(`the reference peer ended with ${JSON.stringify(this.#reports.at(-1))}`);
      await this.#wake.promise;
    }
  }

  #wakeAll(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
