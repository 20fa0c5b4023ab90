import { DATA_FIRST, DATA_LAST, type DataChunk, type GapBlock, type SackChunk } from './packets.ts';
import { tsnDistance, tsnPlus } from './tsn.ts';

/** Most gap blocks in one SACK, so that it fits into the smallest packet. */
const MAX_GAP_BLOCKS = 250;

/** A message of one or more chunks. */
export interface InboundMessage {
  streamId: number;
  protocolId: number;
  data: Buffer;
}

/**
 * The receiver's half of SCTP's data transfer (RFC 9260, 6.2, 6.6 and 6.9), for reliable channels. Messages are delivered in the
 * order of their TSNs. Since the fragments of a message have consecutive TSNs, no queue for each stream is needed. The drawback: a
 * lost packet delays other streams too, until it arrives again.
 */
export class DataReceiver {
  /** Chunks beyond a gap, by TSN. */
  readonly #early = new Map<number, DataChunk>();
  /** Their TSNs as ascending runs. Both ends are inclusive. */
  #runs: [first: number, last: number][] = [];
  #earlyBytes = 0;
  #fragments: Buffer[] = [];
  #fragmentBytes = 0;
  readonly #windowBytes: number;
  readonly #maxMessageBytes: number;
  readonly #deliver: (message: InboundMessage) => void;
  /** All TSNs up to this one have arrived. */
  cumulativeTsn: number;

  constructor(options: {
    /** The first TSN that the peer uses, minus one. */
    cumulativeTsn: number;
    /** Bytes that may wait for earlier ones. */
    windowBytes: number;
    maxMessageBytes: number;
    deliver: (message: InboundMessage) => void;
  }) {
    this.cumulativeTsn = options.cumulativeTsn;
    this.#windowBytes = options.windowBytes;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#deliver = options.deliver;
  }

  /**
   * Takes a chunk. Returns 'order' if it was the next one; 'early', or 'duplicate' if not; 'refused' if there was no room;
   * 'violation' if the peer breaks the protocol and has to be cut off.
   */
  take(chunk: DataChunk): 'order' | 'early' | 'duplicate' | 'refused' | 'violation' {
    const ahead = tsnDistance(chunk.tsn, this.cumulativeTsn);
    if (ahead <= 0 || this.#early.has(chunk.tsn)) return 'duplicate';
    if (ahead > 1) {
      // A gap block's offset has 16 bits.
      if (ahead > 0xffff || this.#earlyBytes + chunk.data.length > this.#windowBytes) return 'refused';
      this.#early.set(chunk.tsn, chunk);
      this.#earlyBytes += chunk.data.length;
      this.#addToRuns(chunk.tsn);
      return 'early';
    }
    const filled = this.#runs.length > 0 && this.#runs[0]?.[0] === tsnPlus(chunk.tsn, 1);
    if (!this.#pass(chunk)) return 'violation';
    if (!filled) return 'order';
    this.#runs.shift();
    for (let next = this.#early.get(tsnPlus(this.cumulativeTsn, 1)); next !== undefined; ) {
      this.#early.delete(next.tsn);
      this.#earlyBytes -= next.data.length;
      if (!this.#pass(next)) return 'violation';
      next = this.#early.get(tsnPlus(this.cumulativeTsn, 1));
    }
    return 'early';
  }

  sack(): SackChunk {
    const gaps: GapBlock[] = [];
    for (const [first, last] of this.#runs) {
      if (gaps.length === MAX_GAP_BLOCKS) break;
      gaps.push([tsnDistance(first, this.cumulativeTsn), tsnDistance(last, this.cumulativeTsn)]);
    }
    return {
      cumulativeTsn: this.cumulativeTsn,
      windowBytes: Math.max(0, this.#windowBytes - this.#earlyBytes - this.#fragmentBytes),
      gaps,
    };
  }

  /** Takes the next chunk in order. Returns false if it breaks the protocol. */
  #pass(chunk: DataChunk): boolean {
    const first = (chunk.flags & DATA_FIRST) !== 0;
    if (first !== (this.#fragments.length === 0)) return false;
    this.cumulativeTsn = chunk.tsn;
    this.#fragments.push(chunk.data);
    this.#fragmentBytes += chunk.data.length;
    if (this.#fragmentBytes > this.#maxMessageBytes) return false;
    if ((chunk.flags & DATA_LAST) === 0) return true;
    const data = Buffer.concat(this.#fragments, this.#fragmentBytes);
    this.#fragments = [];
    this.#fragmentBytes = 0;
    this.#deliver({ streamId: chunk.streamId, protocolId: chunk.protocolId, data });
    return true;
  }

  /** Searches from the end, since most chunks belong there. */
  #addToRuns(tsn: number): void {
    const runs = this.#runs;
    let at = runs.length - 1;
    for (let run = runs[at]; run !== undefined && tsnDistance(run[0], tsn) > 0; run = runs[at]) at -= 1;
    const before = runs[at];
    const after = runs[at + 1];
    const joinsBefore = before !== undefined && tsnDistance(tsn, before[1]) === 1;
    const joinsAfter = after !== undefined && tsnDistance(after[0], tsn) === 1;
    if (joinsBefore && joinsAfter) {
      before[1] = after[1];
      runs.splice(at + 1, 1);
    } else if (joinsBefore) before[1] = tsn;
    else if (joinsAfter) after[0] = tsn;
    else runs.splice(at + 1, 0, [tsn, tsn]);
  }
}
