import type { Clock } from '../engines/werift/tuning/sctp/clock.ts';
import { DataReceiver } from '../engines/werift/tuning/sctp/data-receiver.ts';
import { DataSender } from '../engines/werift/tuning/sctp/data-sender.ts';
import { tsnPlus } from '../engines/werift/tuning/sctp/tsn.ts';

/** A path in simulated time. The same seed gives the same result. */
export interface SimulatedPath {
  /** Bottleneck, in MB/s. */
  mbPerS: number;
  roundTripMs: number;
  /** Share of packets that are lost in each direction, besides those for which the queue has no room. */
  loss: number;
  queueBytes: number;
  /** Share of packets that are delayed by 2 ms, so that later ones overtake them, and of those that arrive twice. */
  reordered?: number;
  duplicated?: number;
  seed?: number;
  firstTsn?: number;
  payloadBytes?: number;
  /** Further packets of the sender that are lost, by the order of sending. */
  alsoLost?: (count: number) => boolean;
  /** Bytes of another flow in the bottleneck's queue. */
  otherQueuedBytes?: (nowMs: number) => number;
  /** How long the receiver delays the acknowledgement of a single packet, in ms. Default: 1. */
  sackDelayMs?: number;
  /** When the application has the message with this index, in ms. Default: at once. */
  availableAtMs?: (index: number) => number;
}

/** How the messages arrived. */
export interface SimulatedTransfer {
  received: Buffer[];
  seconds: number;
  mbPerS: number;
  packetsSent: number;
  queueDrops: number;
  /** Longest time that a packet waited in the bottleneck's queue, in ms, in the second half of the transfer. */
  worstQueueMs: number;
}

/** Simulated time: whatever is due next happens at once. */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #tasks: { atMs: number; order: number; task: () => void; isCancelled: boolean }[] = [];

  nowMs(): number {
    return this.#now;
  }

  after(ms: number, task: () => void): () => void {
    const entry = { atMs: this.#now + Math.max(ms, 0), order: this.#order++, task, isCancelled: false };
    const heap = this.#tasks;
    heap.push(entry);
    for (let at = heap.length - 1; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfLater(parent, at)) break;
      at = parent;
    }
    return () => {
      entry.isCancelled = true;
    };
  }

  /** Runs until `isOver` says so, nothing is left to do, or the time is up. */
  run(isOver: () => boolean, untilMs: number): void {
    for (let next = this.#tasks[0]; next !== undefined && !isOver(); next = this.#tasks[0]) {
      if (next.atMs > untilMs) return;
      this.#pop();
      if (next.isCancelled) continue;
      this.#now = next.atMs;
      next.task();
    }
  }

  #pop() {
    const heap = this.#tasks;
    const [top] = heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return top;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      const child = this.#isLater(left, left + 1) ? left + 1 : left;
      if (!this.#swapIfLater(at, child)) return top;
      at = child;
    }
  }

  #isLater(a: number, b: number): boolean {
    const [one, other] = [this.#tasks[a], this.#tasks[b]];
    if (one === undefined || other === undefined) return false;
    return one.atMs > other.atMs || (one.atMs === other.atMs && one.order > other.order);
  }

  #swapIfLater(a: number, b: number): boolean {
    const [one, other] = [this.#tasks[a], this.#tasks[b]];
    if (one === undefined || other === undefined || !this.#isLater(a, b)) return false;
    this.#tasks[a] = other;
    this.#tasks[b] = one;
    return true;
  }
}

/** Sends messages over the path with the sender and receiver of `engines/werift/tuning/`, 1 MiB of them queued at a time. */
export function simulateTransfer(
  path: SimulatedPath,
  messages: readonly Buffer[],
  untilMs = 300_000,
): SimulatedTransfer {
  const clock = new VirtualClock();
  const random = seededRandom(path.seed ?? 1);
  const bytesPerMs = path.mbPerS * 1_000;
  const halfMs = path.roundTripMs / 2;
  const firstTsn = path.firstTsn ?? 1;
  const result = { received: [] as Buffer[], packetsSent: 0, queueDrops: 0, worstQueueMs: 0 };
  const totalBytes = messages.reduce((sum, { length }) => sum + length, 0);
  let receivedBytes = 0;
  let freeAtMs = 0;
  let unacknowledged = 0;
  let cancelSack: (() => void) | undefined;

  const receiver = new DataReceiver({
    cumulativeTsn: tsnPlus(firstTsn, -1),
    windowBytes: 16 * 1024 * 1024,
    maxMessageBytes: 1024 * 1024,
    deliver: ({ data }) => {
      result.received.push(data);
      receivedBytes += data.length;
    },
  });
  const acknowledge = () => {
    unacknowledged = 0;
    cancelSack?.();
    cancelSack = undefined;
    const sack = receiver.sack();
    if (random() >= path.loss) clock.after(halfMs, () => sender.acknowledge(sack));
  };
  const sender = new DataSender({
    firstTsn,
    payloadBytes: path.payloadBytes ?? 1_160,
    peerWindowBytes: 1024 * 1024,
    streamSequences: {},
    clock,
    emit: (sent) => {
      const chunk = { ...sent };
      result.packetsSent += 1;
      if (random() < path.loss || path.alsoLost?.(result.packetsSent) === true) return;
      const others = path.otherQueuedBytes?.(clock.nowMs()) ?? 0;
      const startMs = Math.max(freeAtMs, clock.nowMs() + others / bytesPerMs);
      const waitMs = startMs - clock.nowMs();
      if (waitMs * bytesPerMs > path.queueBytes) {
        result.queueDrops += 1;
        return;
      }
      if (receivedBytes > totalBytes / 2) result.worstQueueMs = Math.max(result.worstQueueMs, waitMs);
      freeAtMs = startMs + (chunk.data.length + 93) / bytesPerMs;
      const arrive = () => {
        const taken = receiver.take(chunk);
        unacknowledged += 1;
        if (taken !== 'order' || unacknowledged >= 4) acknowledge();
        else if (unacknowledged === 1) cancelSack = clock.after(path.sackDelayMs ?? 1, acknowledge);
        else if (unacknowledged === 2) {
          cancelSack?.();
          cancelSack = clock.after(0, acknowledge);
        }
      };
      const late = random() < (path.reordered ?? 0) ? 2 : 0;
      clock.after(freeAtMs + halfMs + late - clock.nowMs(), arrive);
      if (random() < (path.duplicated ?? 0)) clock.after(freeAtMs + halfMs + 1 - clock.nowMs(), arrive);
    },
  });
  let queuedBytes = 0;
  let next = 0;
  const fill = () => {
    for (let data = messages[next]; data !== undefined && queuedBytes < 1024 * 1024; data = messages[next]) {
      const { length } = data;
      const earlyMs = (path.availableAtMs?.(next) ?? 0) - clock.nowMs();
      if (earlyMs > 0) {
        clock.after(earlyMs, fill);
        return;
      }
      next += 1;
      queuedBytes += length;
      sender.enqueue({ streamId: next % 3, protocolId: 53, data, unordered: false }, () => {
        queuedBytes -= length;
        clock.after(0, fill);
      });
    }
  };
  fill();
  clock.run(() => result.received.length === messages.length, untilMs);
  sender.stop();
  const seconds = clock.nowMs() / 1_000;
  return { ...result, seconds, mbPerS: receivedBytes / 1e6 / seconds };
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
