import { CongestionControl } from './congestion-control.ts';
import { DATA_FIRST, DATA_LAST, DATA_UNORDERED, type DataChunk, type SackChunk } from './packets.ts';
import { tsnDistance, tsnPlus } from './tsn.ts';

/** Most packets that go out before the event loop turns, so that what arrives meanwhile is read. */
const BURST_PACKETS = 32;
/** Time that may be made up for in one burst, in ms: a timer of Node's comes 1 to 2 ms late. */
const PACING_SLACK_MS = 2.5;
/** RFC 9260, 6.3.1, says 1 s; with a probe before it, TCP's usual 200 ms suffice (RFC 8985). */
const MIN_RTO_MS = 200;
const MAX_RTO_MS = 10_000;
const INITIAL_RTO_MS = 500;
/** Longest that a receiver may hold an acknowledgement back, in ms (RFC 9260, 6.2, as others do it). */
const PEER_ACK_DELAY_MS = 200;
/** Least wait for packets that were overtaken, in ms (RFC 8985, 6.2). */
const MIN_REORDER_MS = 1;

/** Where time comes from, so that tests can make it up. */
export interface Clock {
  nowMs(): number;
  /** Calls `task` after `ms`, unless what it returns is called before. */
  after(ms: number, task: () => void): () => void;
}

/** A chunk of ours from queueing to acknowledgement. */
interface OutboundChunk extends DataChunk {
  state: 'queued' | 'sent' | 'lost' | 'acknowledged';
  transmissions: number;
  sentAtMs: number;
  /** For the delivery rate (draft-cheng-iccrg-delivery-rate-estimation). */
  deliveredBytesAtSend: number;
  deliveredAtMs: number;
  firstSentAtMs: number;
  appLimited: boolean;
  /** Neighbours among the sent, in the order of sending. */
  earlier: OutboundChunk | undefined;
  later: OutboundChunk | undefined;
  /** Called when the last chunk of a message has gone out. */
  onSent: (() => void) | undefined;
}

/**
 * The sender's half of SCTP's data transfer (RFC 9260, 6), for reliable channels: paced, with the congestion control beside,
 * and losses told by time as in RACK-TLP (RFC 8985) in place of counting and 1 s timers. What is needed of a chunk is reached
 * in constant time, however long the path.
 */
export class DataSender {
  readonly congestion: CongestionControl;
  readonly #clock: Clock;
  readonly #emit: (chunk: DataChunk) => void;
  readonly #onTimeout: (inARow: number) => void;
  /** By TSN modulo its length, which is a power of two. */
  #ring: (OutboundChunk | undefined)[] = new Array(1024);
  /** The first TSN that is not acknowledged with all before it, the first that was never sent, and the first that is free. */
  #base: number;
  #next: number;
  #end: number;
  readonly #streamSequences: Record<number, number>;
  /** Chunks to be sent again; those acknowledged meanwhile are passed over. */
  #lost: OutboundChunk[] = [];
  #earliestSent: OutboundChunk | undefined;
  #latestSent: OutboundChunk | undefined;
  #inFlightBytes = 0;
  /** Sent and not acknowledged, the lost included: what the peer must have room for. */
  #outstandingBytes = 0;
  #peerWindowBytes: number;
  #lastGaps: [first: number, last: number][] = [];
  #deliveredBytes = 0;
  #deliveredAtMs = 0;
  #firstSentAtMs = 0;
  #appLimitedUntilBytes = 0;
  /** The newest sending of those known to have arrived. */
  #newestArrivedAtMs = Number.NEGATIVE_INFINITY;
  #srttMs: number | undefined;
  #rttVarMs = 0;
  #lastRttMs = 0;
  #budgetBytes = 0;
  #budgetAtMs: number;
  #cancelPacing: (() => void) | undefined;
  #cancelAlarm: (() => void) | undefined;
  /** When something is due, and when the timer goes off: not later. */
  #alarmAtMs = Number.POSITIVE_INFINITY;
  #alarmTimerAtMs = 0;
  #reorderDeadlineMs = Number.POSITIVE_INFINITY;
  #probed = false;
  #timeouts = 0;
  #transmitting = false;
  #stopped = false;
  #payloadBytes: number;

  constructor(options: {
    firstTsn: number;
    /** Data in a packet. */
    payloadBytes: number;
    /** The next sequence number of each stream; a stream that is reset is taken out of it. */
    streamSequences: Record<number, number>;
    /** What the peer has room for, as it said at first. */
    peerWindowBytes: number;
    clock: Clock;
    emit: (chunk: DataChunk) => void;
    /** Told how many timeouts there were in a row, and 0 when something arrives again. */
    onTimeout?: (inARow: number) => void;
  }) {
    this.#base = options.firstTsn;
    this.#next = options.firstTsn;
    this.#end = options.firstTsn;
    this.#payloadBytes = options.payloadBytes;
    this.#peerWindowBytes = options.peerWindowBytes;
    this.#streamSequences = options.streamSequences;
    this.#clock = options.clock;
    this.#emit = options.emit;
    this.#onTimeout = options.onTimeout ?? (() => undefined);
    this.congestion = new CongestionControl(options.payloadBytes);
    this.#budgetAtMs = options.clock.nowMs();
  }

  /** The TSN that the next chunk gets. */
  get nextTsn(): number {
    return this.#end;
  }

  /** Data in a packet from here on. */
  set payloadBytes(bytes: number) {
    this.#payloadBytes = bytes;
    this.congestion.packetBytes = bytes;
  }

  /** Queues a message; `onSent` is called when its last byte has gone out for the first time. */
  enqueue(
    message: { streamId: number; protocolId: number; data: Buffer; unordered: boolean },
    onSent: () => void,
  ): void {
    const { streamId, protocolId, data, unordered } = message;
    const streamSequence = unordered ? 0 : (this.#streamSequences[streamId] ?? 0);
    if (!unordered) this.#streamSequences[streamId] = (streamSequence + 1) & 0xffff;
    for (let at = 0; at < data.length; at += this.#payloadBytes) {
      const last = at + this.#payloadBytes >= data.length;
      const tsn = this.#end;
      this.#end = tsnPlus(tsn, 1);
      if (tsnDistance(this.#end, this.#base) > this.#ring.length) this.#growRing();
      this.#ring[tsn & (this.#ring.length - 1)] = {
        tsn,
        flags: (at === 0 ? DATA_FIRST : 0) | (last ? DATA_LAST : 0) | (unordered ? DATA_UNORDERED : 0),
        streamId,
        streamSequence,
        protocolId,
        data: data.subarray(at, at + this.#payloadBytes),
        state: 'queued',
        transmissions: 0,
        sentAtMs: 0,
        deliveredBytesAtSend: 0,
        deliveredAtMs: 0,
        firstSentAtMs: 0,
        appLimited: false,
        earlier: undefined,
        later: undefined,
        onSent: last ? onSent : undefined,
      };
    }
    this.transmit();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelPacing?.();
    this.#cancelAlarm?.();
  }

  acknowledge({ cumulativeTsn, windowBytes, gaps }: SackChunk): void {
    const advance = tsnDistance(cumulativeTsn, this.#base) + 1;
    if (advance < 0 || tsnDistance(cumulativeTsn, this.#next) >= 0) return;
    const nowMs = this.#clock.nowMs();
    this.#peerWindowBytes = windowBytes;
    const deliveredBefore = this.#deliveredBytes;
    let newest: OutboundChunk | undefined;
    let sampled: OutboundChunk | undefined;
    const arrived = (chunk: OutboundChunk) => {
      this.#arrived(chunk);
      if (newest === undefined || chunk.sentAtMs >= newest.sentAtMs) newest = chunk;
      if (chunk.transmissions === 1 && (sampled === undefined || chunk.sentAtMs >= sampled.sentAtMs)) sampled = chunk;
    };
    for (let count = 0; count < advance; count += 1) {
      const slot = this.#base & (this.#ring.length - 1);
      const chunk = this.#ring[slot];
      if (chunk !== undefined && chunk.state !== 'acknowledged') arrived(chunk);
      this.#ring[slot] = undefined;
      this.#base = tsnPlus(this.#base, 1);
    }
    this.#takeGaps(cumulativeTsn, gaps, arrived);
    const newlyDeliveredBytes = this.#deliveredBytes - deliveredBefore;
    if (newest === undefined) {
      if (advance > 0 || this.#outstandingBytes > 0) this.transmit();
      return;
    }
    this.#deliveredAtMs = nowMs;
    if (this.#timeouts > 0) this.#onTimeout(0);
    this.#timeouts = 0;
    this.#probed = false;
    const rttMs = sampled === undefined ? undefined : Math.max(nowMs - sampled.sentAtMs, 0.05);
    if (rttMs !== undefined) this.#learnRtt(rttMs);
    // An acknowledgement of what was sent again, sooner than the path allows, is one of its first sending.
    const spurious = newest.transmissions > 1 && nowMs - newest.sentAtMs < this.congestion.minRttMs;
    if (!spurious) this.#newestArrivedAtMs = Math.max(this.#newestArrivedAtMs, newest.sentAtMs);
    const intervalMs = Math.max(newest.sentAtMs - newest.firstSentAtMs, nowMs - newest.deliveredAtMs);
    this.#firstSentAtMs = newest.sentAtMs;
    const newlyLostBytes = this.#markLosses(nowMs);
    this.congestion.onAcknowledged({
      nowMs,
      deliveredBytes: this.#deliveredBytes,
      deliveredBytesAtSend: newest.deliveredBytesAtSend,
      newlyDeliveredBytes,
      newlyLostBytes,
      inFlightBytes: this.#inFlightBytes,
      bytesPerMs:
        spurious || intervalMs < Math.min(this.congestion.minRttMs, 1000)
          ? undefined
          : (this.#deliveredBytes - newest.deliveredBytesAtSend) / Math.max(intervalMs, 1),
      appLimited: newest.appLimited,
      rttMs,
    });
    this.#armAlarm(nowMs);
    this.transmit();
  }

  /** Sends what the path, the peer and the pace allow. */
  transmit(): void {
    if (this.#stopped || this.#transmitting) return;
    this.#transmitting = true;
    try {
      const waitMs = this.#sendBurst(this.#clock.nowMs());
      // Anew each time: the wait before may have been reckoned from a lower rate.
      this.#cancelPacing?.();
      this.#cancelPacing = undefined;
      if (waitMs === undefined) return;
      this.#cancelPacing = this.#clock.after(waitMs, () => {
        this.#cancelPacing = undefined;
        this.transmit();
      });
    } finally {
      this.#transmitting = false;
    }
  }

  /** Time after which to go on; undefined where something else must happen first. */
  #sendBurst(nowMs: number): number | undefined {
    const rate = this.congestion.pacingBytesPerMs;
    const slackBytes = Math.max(rate * PACING_SLACK_MS, 4 * this.#payloadBytes);
    this.#budgetBytes = Math.min(this.#budgetBytes + rate * (nowMs - this.#budgetAtMs), slackBytes);
    if (Number.isNaN(this.#budgetBytes)) this.#budgetBytes = slackBytes;
    this.#budgetAtMs = nowMs;
    const windowBytes = this.congestion.windowBytes;
    for (let packets = 0; packets < BURST_PACKETS; packets += 1) {
      const chunk = this.#nextToSend();
      if (chunk === undefined) {
        if (this.#inFlightBytes < windowBytes) {
          this.#appLimitedUntilBytes = this.#deliveredBytes + Math.max(this.#inFlightBytes, 1);
        }
        return undefined;
      }
      if (this.#inFlightBytes > 0 && this.#inFlightBytes + chunk.data.length > windowBytes) return undefined;
      if (chunk.state === 'queued') {
        const full = this.#outstandingBytes + chunk.data.length > this.#peerWindowBytes;
        // One chunk may always be on its way, to hear when there is room (RFC 9260, 6.1, rule A).
        if (full && this.#outstandingBytes > 0) return undefined;
      }
      if (this.#budgetBytes <= 0) return Math.max(-this.#budgetBytes / rate, 1);
      this.#budgetBytes -= chunk.data.length;
      this.#send(chunk, nowMs);
    }
    return 0;
  }

  #nextToSend(): OutboundChunk | undefined {
    while (this.#lost.length > 0) {
      const chunk = this.#lost[this.#lost.length - 1];
      if (chunk?.state === 'lost') return chunk;
      this.#lost.pop();
    }
    return this.#next === this.#end ? undefined : this.#ring[this.#next & (this.#ring.length - 1)];
  }

  #send(chunk: OutboundChunk, nowMs: number): void {
    if (this.#inFlightBytes === 0) {
      this.#firstSentAtMs = nowMs;
      this.#deliveredAtMs = nowMs;
    }
    if (chunk.state === 'lost') this.#lost.pop();
    else {
      this.#next = tsnPlus(this.#next, 1);
      this.#outstandingBytes += chunk.data.length;
    }
    chunk.state = 'sent';
    chunk.transmissions += 1;
    chunk.sentAtMs = nowMs;
    chunk.deliveredBytesAtSend = this.#deliveredBytes;
    chunk.deliveredAtMs = this.#deliveredAtMs;
    chunk.firstSentAtMs = this.#firstSentAtMs;
    chunk.appLimited = this.#appLimitedUntilBytes > this.#deliveredBytes;
    this.#inFlightBytes += chunk.data.length;
    chunk.earlier = this.#latestSent;
    if (this.#latestSent === undefined) this.#earliestSent = chunk;
    else this.#latestSent.later = chunk;
    this.#latestSent = chunk;
    this.#emit(chunk);
    if (this.#alarmAtMs === Number.POSITIVE_INFINITY) this.#armAlarm(nowMs);
    const { onSent } = chunk;
    chunk.onSent = undefined;
    onSent?.();
  }

  #arrived(chunk: OutboundChunk): void {
    if (chunk.state === 'sent') this.#unlink(chunk);
    chunk.state = 'acknowledged';
    this.#outstandingBytes -= chunk.data.length;
    this.#deliveredBytes += chunk.data.length;
  }

  #unlink(chunk: OutboundChunk): void {
    this.#inFlightBytes -= chunk.data.length;
    if (chunk.earlier === undefined) this.#earliestSent = chunk.later;
    else chunk.earlier.later = chunk.later;
    if (chunk.later === undefined) this.#latestSent = chunk.earlier;
    else chunk.later.earlier = chunk.earlier;
    chunk.earlier = undefined;
    chunk.later = undefined;
  }

  /** Looks only at what the last SACK did not say already: long gaps are told again and again. */
  #takeGaps(cumulativeTsn: number, gaps: SackChunk['gaps'], arrived: (chunk: OutboundChunk) => void): void {
    const known = this.#lastGaps;
    this.#lastGaps = [];
    let at = 0;
    for (const [start, end] of gaps) {
      const last = tsnPlus(cumulativeTsn, end);
      let tsn = tsnPlus(cumulativeTsn, start);
      if (end < start || tsnDistance(last, this.#next) >= 0) continue;
      this.#lastGaps.push([tsn, last]);
      while (tsnDistance(last, tsn) >= 0) {
        let run = known[at];
        while (run !== undefined && tsnDistance(tsn, run[1]) > 0) run = known[++at];
        if (run !== undefined && tsnDistance(tsn, run[0]) >= 0) {
          tsn = tsnPlus(run[1], 1);
          continue;
        }
        const chunk = this.#ring[tsn & (this.#ring.length - 1)];
        if (chunk !== undefined && chunk.state !== 'acknowledged') arrived(chunk);
        tsn = tsnPlus(tsn, 1);
      }
    }
  }

  /** What was sent well before something that has arrived is lost (RFC 8985, 6.2). Gives how many bytes are newly so. */
  #markLosses(nowMs: number): number {
    const reorderMs = Math.max(Math.min(this.congestion.minRttMs / 4, this.#srttMs ?? 0), MIN_REORDER_MS);
    let lostBytes = 0;
    this.#reorderDeadlineMs = Number.POSITIVE_INFINITY;
    const lost: OutboundChunk[] = [];
    for (let chunk = this.#earliestSent; chunk !== undefined; ) {
      const { later } = chunk;
      if (chunk.sentAtMs >= this.#newestArrivedAtMs) break;
      const deadlineMs = chunk.sentAtMs + this.#lastRttMs + reorderMs;
      if (chunk.sentAtMs + reorderMs >= this.#newestArrivedAtMs && deadlineMs > nowMs) {
        this.#reorderDeadlineMs = deadlineMs;
        break;
      }
      this.#unlink(chunk);
      chunk.state = 'lost';
      lostBytes += chunk.data.length;
      lost.push(chunk);
      chunk = later;
    }
    this.#queueLost(lost);
    return lostBytes;
  }

  /** The lost go out again from the end of the array, so the lowest TSN, for which the receiver waits, stands last. */
  #queueLost(lost: OutboundChunk[]): void {
    if (lost.length === 0) return;
    this.#lost.push(...lost);
    this.#lost = this.#lost.filter(({ state }) => state === 'lost');
    this.#lost.sort((a, b) => tsnDistance(b.tsn, a.tsn));
  }

  #learnRtt(rttMs: number): void {
    this.#lastRttMs = rttMs;
    if (this.#srttMs === undefined) {
      this.#srttMs = rttMs;
      this.#rttVarMs = rttMs / 2;
    } else {
      this.#rttVarMs += (Math.abs(this.#srttMs - rttMs) - this.#rttVarMs) / 4;
      this.#srttMs += (rttMs - this.#srttMs) / 8;
    }
  }

  #rtoMs(): number {
    const rto = this.#srttMs === undefined ? INITIAL_RTO_MS : this.#srttMs + 4 * this.#rttVarMs;
    return Math.min(Math.max(rto, MIN_RTO_MS) * 2 ** this.#timeouts, MAX_RTO_MS);
  }

  /** One alarm for three things: packets that were only overtaken, a probe for a lost tail, and the timeout. */
  #armAlarm(nowMs: number): void {
    let atMs = Number.POSITIVE_INFINITY;
    if (this.#earliestSent !== undefined) {
      const alone = this.#earliestSent === this.#latestSent;
      const probeMs = 2 * (this.#srttMs ?? INITIAL_RTO_MS / 2) + (alone ? PEER_ACK_DELAY_MS : MIN_REORDER_MS);
      const patience = this.#probed || this.#timeouts > 0 ? this.#rtoMs() : Math.min(probeMs + 5, this.#rtoMs());
      atMs = Math.min(nowMs + patience, this.#reorderDeadlineMs);
    }
    // A timer that goes off too early is put off then; setting it anew at each packet would cost more.
    const settled = this.#cancelAlarm !== undefined && this.#alarmTimerAtMs <= atMs;
    this.#alarmAtMs = atMs;
    if (settled || atMs === Number.POSITIVE_INFINITY) return;
    this.#cancelAlarm?.();
    this.#setAlarmTimer(nowMs);
  }

  #setAlarmTimer(nowMs: number): void {
    this.#alarmTimerAtMs = this.#alarmAtMs;
    this.#cancelAlarm = this.#clock.after(Math.max(this.#alarmAtMs - nowMs, 1), () => this.#onAlarm());
  }

  #onAlarm(): void {
    this.#cancelAlarm = undefined;
    if (this.#stopped || this.#alarmAtMs === Number.POSITIVE_INFINITY) return;
    const nowMs = this.#clock.nowMs();
    if (nowMs < this.#alarmAtMs) {
      this.#setAlarmTimer(nowMs);
      return;
    }
    if (nowMs >= this.#reorderDeadlineMs) this.#markLosses(nowMs);
    else if (!this.#probed && this.#timeouts === 0) this.#probeTail(nowMs);
    else this.#timeOut();
    this.#alarmAtMs = Number.POSITIVE_INFINITY;
    this.#armAlarm(nowMs);
    this.transmit();
  }

  /** Sends the newest chunk again, so that an acknowledgement tells what of the tail is lost (RFC 8985, 7). */
  #probeTail(nowMs: number): void {
    this.#probed = true;
    const chunk = this.#latestSent;
    if (chunk === undefined) return;
    this.#unlink(chunk);
    chunk.state = 'lost';
    this.#lost.push(chunk);
    this.#send(chunk, nowMs);
  }

  #timeOut(): void {
    this.#timeouts += 1;
    this.congestion.onTimeout();
    const lost: OutboundChunk[] = [];
    for (let chunk = this.#earliestSent; chunk !== undefined; chunk = this.#earliestSent) {
      this.#unlink(chunk);
      chunk.state = 'lost';
      lost.push(chunk);
    }
    // A receiver that holds the first chunk would have passed it on: it has thrown away what it held (RFC 9260, 6.3.3).
    if (this.#ring[this.#base & (this.#ring.length - 1)]?.state === 'acknowledged') this.#forgetGaps(lost);
    this.#queueLost(lost);
    this.#budgetBytes = 0;
    this.#newestArrivedAtMs = Number.NEGATIVE_INFINITY;
    this.#reorderDeadlineMs = Number.POSITIVE_INFINITY;
    this.#onTimeout(this.#timeouts);
  }

  #forgetGaps(lost: OutboundChunk[]): void {
    this.#lastGaps = [];
    for (let tsn = this.#base; tsn !== this.#next; tsn = tsnPlus(tsn, 1)) {
      const chunk = this.#ring[tsn & (this.#ring.length - 1)];
      if (chunk?.state !== 'acknowledged') continue;
      chunk.state = 'lost';
      this.#outstandingBytes += chunk.data.length;
      lost.push(chunk);
    }
  }

  #growRing(): void {
    const old = this.#ring;
    const grown: (OutboundChunk | undefined)[] = new Array(old.length * 2);
    // The new chunk has its TSN already, but no slot yet.
    for (let tsn = this.#base; tsnDistance(tsn, this.#end) < -1; tsn = tsnPlus(tsn, 1)) {
      grown[tsn & (grown.length - 1)] = old[tsn & (old.length - 1)];
    }
    this.#ring = grown;
  }
}
