import type { DataChunk, SackChunk } from './packets.ts';
import { tsnDistance, tsnPlus } from './tsn.ts';

/** A chunk that this side sends, until it is acknowledged. */
export interface OutboundChunk extends DataChunk {
  state: 'queued' | 'sent' | 'lost' | 'acknowledged';
  transmissions: number;
  sentAtMs: number;
  /** For the delivery rate (draft-cheng-iccrg-delivery-rate-estimation). */
  deliveredBytesAtSend: number;
  deliveredAtMs: number;
  firstSentAtMs: number;
  appLimited: boolean;
  /** Neighbours among the chunks in flight, in the order of sending. */
  earlier: OutboundChunk | undefined;
  later: OutboundChunk | undefined;
  /** Called when the last chunk of a message was sent for the first time. */
  onSent: (() => void) | undefined;
}

/** The chunks from the first that is not acknowledged to the last that is queued. A TSN is found in constant time. */
export class ChunkRing {
  /** By TSN modulo its length, which is a power of two. */
  #slots: (OutboundChunk | undefined)[] = new Array(1024);
  /** The first TSN that is not acknowledged, the first that was never sent, and the first that is free. */
  #base: number;
  #next: number;
  #end: number;

  constructor(firstTsn: number) {
    this.#base = firstTsn;
    this.#next = firstTsn;
    this.#end = firstTsn;
  }

  /** The TSN that the next chunk gets. */
  get endTsn(): number {
    return this.#end;
  }

  get first(): OutboundChunk | undefined {
    return this.at(this.#base);
  }

  /** The first chunk that was never sent. Undefined if all were sent. */
  get unsent(): OutboundChunk | undefined {
    return this.#next === this.#end ? undefined : this.at(this.#next);
  }

  at(tsn: number): OutboundChunk | undefined {
    return this.#slots[tsn & (this.#slots.length - 1)];
  }

  isSent(tsn: number): boolean {
    return tsnDistance(tsn, this.#next) < 0;
  }

  /** Adds a chunk, which has the TSN `endTsn`. */
  push(chunk: OutboundChunk): void {
    this.#end = tsnPlus(this.#end, 1);
    if (tsnDistance(this.#end, this.#base) > this.#slots.length) this.#grow();
    this.#slots[chunk.tsn & (this.#slots.length - 1)] = chunk;
  }

  /** The first chunk that was never sent is sent now. */
  passUnsent(): void {
    this.#next = tsnPlus(this.#next, 1);
  }

  /** How many chunks, from the first on, `cumulativeTsn` acknowledges. Negative if it is an old TSN. */
  countUpTo(cumulativeTsn: number): number {
    return tsnDistance(cumulativeTsn, this.#base) + 1;
  }

  shift(): OutboundChunk | undefined {
    const chunk = this.first;
    this.#slots[this.#base & (this.#slots.length - 1)] = undefined;
    this.#base = tsnPlus(this.#base, 1);
    return chunk;
  }

  /** All chunks that were sent, from the first on. */
  *sent(): Generator<OutboundChunk> {
    for (let tsn = this.#base; tsn !== this.#next; tsn = tsnPlus(tsn, 1)) {
      const chunk = this.at(tsn);
      if (chunk !== undefined) yield chunk;
    }
  }

  #grow(): void {
    const old = this.#slots;
    const grown: (OutboundChunk | undefined)[] = new Array(old.length * 2);
    // The new chunk has its TSN already, but no slot yet.
    for (let tsn = this.#base; tsnDistance(tsn, this.#end) < -1; tsn = tsnPlus(tsn, 1)) {
      grown[tsn & (grown.length - 1)] = old[tsn & (old.length - 1)];
    }
    this.#slots = grown;
  }
}

/** The chunks in flight, in the order in which they were last sent. Any of them is removed in constant time. */
export class InFlight {
  bytes = 0;
  earliest: OutboundChunk | undefined;
  latest: OutboundChunk | undefined;

  add(chunk: OutboundChunk): void {
    this.bytes += chunk.data.length;
    chunk.earlier = this.latest;
    if (this.latest === undefined) this.earliest = chunk;
    else this.latest.later = chunk;
    this.latest = chunk;
  }

  remove(chunk: OutboundChunk): void {
    this.bytes -= chunk.data.length;
    if (chunk.earlier === undefined) this.earliest = chunk.later;
    else chunk.earlier.later = chunk.later;
    if (chunk.later === undefined) this.latest = chunk.earlier;
    else chunk.later.earlier = chunk.earlier;
    chunk.earlier = undefined;
    chunk.later = undefined;
  }
}

/** The gap blocks of the last SACK. Long ones are repeated in each SACK, so only what is new is processed. */
export class KnownGaps {
  #known: [first: number, last: number][] = [];

  /** Calls `arrived` for each TSN that was not in the last SACK. */
  take({ cumulativeTsn, gaps }: SackChunk, isSent: (tsn: number) => boolean, arrived: (tsn: number) => void): void {
    const known = this.#known;
    this.#known = [];
    let at = 0;
    for (const [start, end] of gaps) {
      const last = tsnPlus(cumulativeTsn, end);
      let tsn = tsnPlus(cumulativeTsn, start);
      if (end < start || !isSent(last)) continue;
      this.#known.push([tsn, last]);
      while (tsnDistance(last, tsn) >= 0) {
        let run = known[at];
        while (run !== undefined && tsnDistance(tsn, run[1]) > 0) run = known[++at];
        if (run !== undefined && tsnDistance(tsn, run[0]) >= 0) {
          tsn = tsnPlus(run[1], 1);
          continue;
        }
        arrived(tsn);
        tsn = tsnPlus(tsn, 1);
      }
    }
  }

  forget(): void {
    this.#known = [];
  }
}
