import { Alarm, type Clock } from './clock.ts';
import { CongestionControl } from './congestion-control.ts';
import { ChunkRing, InFlight, KnownGaps, type OutboundChunk } from './outbound-chunks.ts';
import { Pacer } from './pacer.ts';
import { DATA_FIRST, DATA_LAST, DATA_UNORDERED, type DataChunk, type SackChunk } from './packets.ts';
import { RoundTripTime } from './round-trip-time.ts';
import { tsnDistance } from './tsn.ts';

/** Most packets that go out before the event loop turns, so that what arrives meanwhile is read. */
const BURST_PACKETS = 32;
/** Longest that a receiver may hold an acknowledgement back, in ms (RFC 9260, 6.2, as others do it). */
const PEER_ACK_DELAY_MS = 200;
/** Least wait for packets that were overtaken, in ms (RFC 8985, 6.2). */
const MIN_REORDER_MS = 1;

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
  readonly #ring: ChunkRing;
  readonly #inFlight = new InFlight();
  readonly #gaps = new KnownGaps();
  readonly #rtt = new RoundTripTime();
  readonly #pacer: Pacer;
  /** For packets that were only overtaken, for a probe of a lost tail, and for the timeout. */
  readonly #alarm: Alarm;
  readonly #streamSequences: Record<number, number>;
  /** Chunks to be sent again; those acknowledged meanwhile are passed over. */
  #lost: OutboundChunk[] = [];
  /** Sent and not acknowledged, the lost included: what the peer must have room for. */
  #outstandingBytes = 0;
  #peerWindowBytes: number;
  #deliveredBytes = 0;
  #deliveredAtMs = 0;
  #firstSentAtMs = 0;
  #appLimitedUntilBytes = 0;
  /** The newest sending of those known to have arrived. */
  #newestArrivedAtMs = Number.NEGATIVE_INFINITY;
  #cancelPacing: (() => void) | undefined;
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
    this.#ring = new ChunkRing(options.firstTsn);
    this.#payloadBytes = options.payloadBytes;
    this.#peerWindowBytes = options.peerWindowBytes;
    this.#streamSequences = options.streamSequences;
    this.#clock = options.clock;
    this.#emit = options.emit;
    this.#onTimeout = options.onTimeout ?? (() => undefined);
    this.congestion = new CongestionControl(options.payloadBytes);
    this.#pacer = new Pacer(options.clock.nowMs());
    this.#alarm = new Alarm(options.clock, () => this.#onAlarm());
  }

  /** The TSN that the next chunk gets. */
  get nextTsn(): number {
    return this.#ring.endTsn;
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
      this.#ring.push({
        tsn: this.#ring.endTsn,
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
      });
    }
    this.transmit();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelPacing?.();
    this.#alarm.stop();
  }

  acknowledge(sack: SackChunk): void {
    const advance = this.#ring.countUpTo(sack.cumulativeTsn);
    if (advance < 0 || !this.#ring.isSent(sack.cumulativeTsn)) return;
    const nowMs = this.#clock.nowMs();
    this.#peerWindowBytes = sack.windowBytes;
    const deliveredBefore = this.#deliveredBytes;
    let newest: OutboundChunk | undefined;
    let sampled: OutboundChunk | undefined;
    const arrived = (chunk: OutboundChunk | undefined) => {
      if (chunk === undefined || chunk.state === 'acknowledged') return;
      this.#arrived(chunk);
      if (newest === undefined || chunk.sentAtMs >= newest.sentAtMs) newest = chunk;
      if (chunk.transmissions === 1 && (sampled === undefined || chunk.sentAtMs >= sampled.sentAtMs)) sampled = chunk;
    };
    for (let count = 0; count < advance; count += 1) arrived(this.#ring.shift());
    this.#gaps.take(
      sack,
      (tsn) => this.#ring.isSent(tsn),
      (tsn) => arrived(this.#ring.at(tsn)),
    );
    if (newest === undefined) {
      if (advance > 0 || this.#outstandingBytes > 0) this.transmit();
      return;
    }
    this.#learn(newest, sampled, this.#deliveredBytes - deliveredBefore, nowMs);
    this.#setAlarm(nowMs);
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
    this.#pacer.fill(nowMs, this.congestion.pacingBytesPerMs, this.#payloadBytes);
    const windowBytes = this.congestion.windowBytes;
    for (let packets = 0; packets < BURST_PACKETS; packets += 1) {
      const chunk = this.#nextToSend();
      if (chunk === undefined) {
        if (this.#inFlight.bytes < windowBytes) {
          this.#appLimitedUntilBytes = this.#deliveredBytes + Math.max(this.#inFlight.bytes, 1);
        }
        return undefined;
      }
      if (this.#inFlight.bytes > 0 && this.#inFlight.bytes + chunk.data.length > windowBytes) return undefined;
      if (chunk.state === 'queued') {
        const full = this.#outstandingBytes + chunk.data.length > this.#peerWindowBytes;
        // One chunk may always be on its way, to hear when there is room (RFC 9260, 6.1, rule A).
        if (full && this.#outstandingBytes > 0) return undefined;
      }
      const { waitMs } = this.#pacer;
      if (waitMs > 0) return waitMs;
      this.#pacer.take(chunk.data.length);
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
    return this.#ring.unsent;
  }

  #send(chunk: OutboundChunk, nowMs: number): void {
    if (this.#inFlight.bytes === 0) {
      this.#firstSentAtMs = nowMs;
      this.#deliveredAtMs = nowMs;
    }
    if (chunk.state === 'lost') this.#lost.pop();
    else {
      this.#ring.passUnsent();
      this.#outstandingBytes += chunk.data.length;
    }
    chunk.state = 'sent';
    chunk.transmissions += 1;
    chunk.sentAtMs = nowMs;
    chunk.deliveredBytesAtSend = this.#deliveredBytes;
    chunk.deliveredAtMs = this.#deliveredAtMs;
    chunk.firstSentAtMs = this.#firstSentAtMs;
    chunk.appLimited = this.#appLimitedUntilBytes > this.#deliveredBytes;
    this.#inFlight.add(chunk);
    this.#emit(chunk);
    if (!this.#alarm.isSet) this.#setAlarm(nowMs);
    const { onSent } = chunk;
    chunk.onSent = undefined;
    onSent?.();
  }

  #arrived(chunk: OutboundChunk): void {
    if (chunk.state === 'sent') this.#inFlight.remove(chunk);
    chunk.state = 'acknowledged';
    this.#outstandingBytes -= chunk.data.length;
    this.#deliveredBytes += chunk.data.length;
  }

  /** What an acknowledgement tells of the path: by the newest chunk in it, and by the newest that was sent once only. */
  #learn(newest: OutboundChunk, sampled: OutboundChunk | undefined, newlyDeliveredBytes: number, nowMs: number): void {
    this.#deliveredAtMs = nowMs;
    if (this.#timeouts > 0) this.#onTimeout(0);
    this.#timeouts = 0;
    this.#probed = false;
    const rttMs = sampled === undefined ? undefined : Math.max(nowMs - sampled.sentAtMs, 0.05);
    if (rttMs !== undefined) this.#rtt.learn(rttMs);
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
      inFlightBytes: this.#inFlight.bytes,
      bytesPerMs:
        spurious || intervalMs < Math.min(this.congestion.minRttMs, 1000)
          ? undefined
          : (this.#deliveredBytes - newest.deliveredBytesAtSend) / Math.max(intervalMs, 1),
      appLimited: newest.appLimited,
      rttMs,
    });
  }

  /** What was sent well before something that has arrived is lost (RFC 8985, 6.2). Gives how many bytes are newly so. */
  #markLosses(nowMs: number): number {
    const reorderMs = Math.max(Math.min(this.congestion.minRttMs / 4, this.#rtt.smoothedMs ?? 0), MIN_REORDER_MS);
    let lostBytes = 0;
    this.#reorderDeadlineMs = Number.POSITIVE_INFINITY;
    const lost: OutboundChunk[] = [];
    for (let chunk = this.#inFlight.earliest; chunk !== undefined; chunk = this.#inFlight.earliest) {
      if (chunk.sentAtMs >= this.#newestArrivedAtMs) break;
      const deadlineMs = chunk.sentAtMs + this.#rtt.lastMs + reorderMs;
      if (chunk.sentAtMs + reorderMs >= this.#newestArrivedAtMs && deadlineMs > nowMs) {
        this.#reorderDeadlineMs = deadlineMs;
        break;
      }
      this.#lose(chunk);
      lostBytes += chunk.data.length;
      lost.push(chunk);
    }
    this.#queueLost(lost);
    return lostBytes;
  }

  #lose(chunk: OutboundChunk): void {
    this.#inFlight.remove(chunk);
    chunk.state = 'lost';
  }

  /** The lost go out again from the end of the array, so the lowest TSN, for which the receiver waits, stands last. */
  #queueLost(lost: OutboundChunk[]): void {
    if (lost.length === 0) return;
    this.#lost.push(...lost);
    this.#lost = this.#lost.filter(({ state }) => state === 'lost');
    this.#lost.sort((a, b) => tsnDistance(b.tsn, a.tsn));
  }

  #setAlarm(nowMs: number): void {
    const { earliest, latest } = this.#inFlight;
    if (earliest === undefined) {
      this.#alarm.set(Number.POSITIVE_INFINITY, nowMs);
      return;
    }
    const timeoutMs = this.#rtt.timeoutMs(this.#timeouts);
    const probeMs = 2 * this.#rtt.likelyMs + (earliest === latest ? PEER_ACK_DELAY_MS : MIN_REORDER_MS);
    const patienceMs = this.#probed || this.#timeouts > 0 ? timeoutMs : Math.min(probeMs + 5, timeoutMs);
    this.#alarm.set(Math.min(nowMs + patienceMs, this.#reorderDeadlineMs), nowMs);
  }

  #onAlarm(): void {
    if (this.#stopped) return;
    const nowMs = this.#clock.nowMs();
    if (nowMs >= this.#reorderDeadlineMs) this.#markLosses(nowMs);
    else if (!this.#probed && this.#timeouts === 0) this.#probeTail(nowMs);
    else this.#timeOut();
    this.#setAlarm(nowMs);
    this.transmit();
  }

  /** Sends the newest chunk again, so that an acknowledgement tells what of the tail is lost (RFC 8985, 7). */
  #probeTail(nowMs: number): void {
    this.#probed = true;
    const chunk = this.#inFlight.latest;
    if (chunk === undefined) return;
    this.#lose(chunk);
    this.#lost.push(chunk);
    this.#send(chunk, nowMs);
  }

  #timeOut(): void {
    this.#timeouts += 1;
    this.congestion.onTimeout();
    const lost: OutboundChunk[] = [];
    for (let chunk = this.#inFlight.earliest; chunk !== undefined; chunk = this.#inFlight.earliest) {
      this.#lose(chunk);
      lost.push(chunk);
    }
    // A receiver that holds the first chunk would have passed it on: it has thrown away what it held (RFC 9260, 6.3.3).
    if (this.#ring.first?.state === 'acknowledged') this.#forgetGaps(lost);
    this.#queueLost(lost);
    this.#pacer.empty();
    this.#newestArrivedAtMs = Number.NEGATIVE_INFINITY;
    this.#reorderDeadlineMs = Number.POSITIVE_INFINITY;
    this.#onTimeout(this.#timeouts);
  }

  #forgetGaps(lost: OutboundChunk[]): void {
    this.#gaps.forget();
    for (const chunk of this.#ring.sent()) {
      if (chunk.state !== 'acknowledged') continue;
      chunk.state = 'lost';
      this.#outstandingBytes += chunk.data.length;
      lost.push(chunk);
    }
  }
}
