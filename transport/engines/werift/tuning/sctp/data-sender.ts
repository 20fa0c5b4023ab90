import { Alarm, type Clock } from './clock.ts';
import { CongestionControl } from './congestion-control.ts';
import { Delivery } from './delivery.ts';
import { LostChunks } from './lost-chunks.ts';
import { ChunkRing, InFlight, KnownGaps, type OutboundChunk } from './outbound-chunks.ts';
import { Pacer } from './pacer.ts';
import { DATA_FIRST, DATA_LAST, DATA_UNORDERED, type DataChunk, type SackChunk } from './packets.ts';
import { RoundTripTime } from './round-trip-time.ts';

/** Most packets that are sent in one turn of the event loop, so that what arrives in the meantime is read. */
const BURST_PACKETS = 32;
/** Longest time that a receiver delays an acknowledgement, in ms (RFC 9260, 6.2, as implemented by others). */
const PEER_ACK_DELAY_MS = 200;
/** Shortest wait for packets that may have been reordered, in ms (RFC 8985, 6.2). */
const MIN_REORDER_MS = 1;

/**
 * The sender's half of SCTP's data transfer (RFC 9260, 6), for reliable channels. It paces packets, and detects losses by time as in
 * RACK-TLP (RFC 8985) instead of counting and 1 s timers. The work per chunk is constant, however long the path is.
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
  /** For packets that may have been reordered, for the tail loss probe, and for the timeout. */
  readonly #alarm: Alarm;
  readonly #streamSequences: Record<number, number>;
  readonly #lost = new LostChunks();
  readonly #delivery = new Delivery();
  /** Bytes that were sent and not acknowledged, including lost ones: what the peer must have room for. */
  #outstandingBytes = 0;
  #peerWindowBytes: number;
  /** When the newest chunk that has arrived was sent. */
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
    /** Bytes of data in a packet. */
    payloadBytes: number;
    /** The next sequence number of each stream. werift removes a stream that is reset. */
    streamSequences: Record<number, number>;
    /** The window that the peer announced first. */
    peerWindowBytes: number;
    clock: Clock;
    emit: (chunk: DataChunk) => void;
    /** Called with the number of timeouts in a row, and with 0 when something is acknowledged again. */
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

  /** Bytes of data in each packet from now on. */
  set payloadBytes(bytes: number) {
    this.#payloadBytes = bytes;
    this.congestion.packetBytes = bytes;
  }

  /** Queues a message. `onSent` is called when its last byte was sent for the first time. */
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
    const deliveredBefore = this.#delivery.bytes;
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
    this.#learn(newest, sampled, this.#delivery.bytes - deliveredBefore, nowMs);
    this.#setAlarm(nowMs);
    this.transmit();
  }

  /** Sends what the path, the peer and the pacing allow. */
  transmit(): void {
    if (this.#stopped || this.#transmitting) return;
    this.#transmitting = true;
    try {
      const waitMs = this.#sendBurst(this.#clock.nowMs());
      // The timer starts again each time: the earlier one may have used a lower rate.
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

  /** Returns the time until the next burst, or undefined if something else has to happen first. */
  #sendBurst(nowMs: number): number | undefined {
    this.#pacer.fill(nowMs, this.congestion.pacingBytesPerMs, this.#payloadBytes);
    const windowBytes = this.congestion.windowBytes;
    for (let packets = 0; packets < BURST_PACKETS; packets += 1) {
      const chunk = this.#lost.next() ?? this.#ring.unsent;
      if (chunk === undefined) {
        if (this.#inFlight.bytes < windowBytes) this.#delivery.limitByApp(this.#inFlight.bytes);
        return undefined;
      }
      if (this.#inFlight.bytes > 0 && this.#inFlight.bytes + chunk.data.length > windowBytes) return undefined;
      if (chunk.state === 'queued') {
        const full = this.#outstandingBytes + chunk.data.length > this.#peerWindowBytes;
        // One chunk may always be in flight, to learn when there is room again (RFC 9260, 6.1, rule A).
        if (full && this.#outstandingBytes > 0) return undefined;
      }
      const { waitMs } = this.#pacer;
      if (waitMs > 0) return waitMs;
      this.#pacer.take(chunk.data.length);
      this.#send(chunk, nowMs);
    }
    return 0;
  }

  #send(chunk: OutboundChunk, nowMs: number): void {
    if (chunk.state === 'lost') this.#lost.shift();
    else {
      this.#ring.passUnsent();
      this.#outstandingBytes += chunk.data.length;
    }
    chunk.state = 'sent';
    chunk.transmissions += 1;
    chunk.sentAtMs = nowMs;
    this.#delivery.stamp(chunk, nowMs, this.#inFlight.bytes === 0);
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
    this.#delivery.bytes += chunk.data.length;
  }

  /**
   * Learns about the path from an acknowledgement.
   * @param newest the newest chunk in it; @param sampled the newest that was sent only once
   */
  #learn(newest: OutboundChunk, sampled: OutboundChunk | undefined, newlyDeliveredBytes: number, nowMs: number): void {
    if (this.#timeouts > 0) this.#onTimeout(0);
    this.#timeouts = 0;
    this.#probed = false;
    const rttMs = sampled === undefined ? undefined : Math.max(nowMs - sampled.sentAtMs, 0.05);
    if (rttMs !== undefined) this.#rtt.learn(rttMs);
    // If a chunk that was sent again is acknowledged sooner than the path allows, its first transmission has arrived.
    const spurious = newest.transmissions > 1 && nowMs - newest.sentAtMs < this.congestion.minRttMs;
    if (!spurious) this.#newestArrivedAtMs = Math.max(this.#newestArrivedAtMs, newest.sentAtMs);
    const intervalMs = this.#delivery.intervalMs(newest, nowMs);
    const newlyLostBytes = this.#markLosses(nowMs);
    this.congestion.onAcknowledged({
      nowMs,
      deliveredBytes: this.#delivery.bytes,
      deliveredBytesAtSend: newest.deliveredBytesAtSend,
      newlyDeliveredBytes,
      newlyLostBytes,
      inFlightBytes: this.#inFlight.bytes,
      bytesPerMs:
        spurious || intervalMs < Math.min(this.congestion.minRttMs, 1000)
          ? undefined
          : this.#delivery.bytesPerMs(newest, intervalMs),
      appLimited: newest.appLimited,
      rttMs,
    });
  }

  /** Marks chunks as lost that were sent well before one that has arrived (RFC 8985, 6.2). @returns their bytes */
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
    this.#lost.add(lost);
    return lostBytes;
  }

  #lose(chunk: OutboundChunk): void {
    this.#inFlight.remove(chunk);
    chunk.state = 'lost';
  }

  #setAlarm(nowMs: number): void {
    const { earliest, latest } = this.#inFlight;
    if (earliest === undefined) {
      this.#alarm.set(Number.POSITIVE_INFINITY, nowMs);
      return;
    }
    const timeoutMs = this.#rtt.timeoutMs(this.#timeouts);
    const probeMs = 2 * this.#rtt.likelyMs + (earliest === latest ? PEER_ACK_DELAY_MS : MIN_REORDER_MS);
    const waitMs = this.#probed || this.#timeouts > 0 ? timeoutMs : Math.min(probeMs + 5, timeoutMs);
    this.#alarm.set(Math.min(nowMs + waitMs, this.#reorderDeadlineMs), nowMs);
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

  /** Sends the newest chunk again, so that its acknowledgement shows which later chunks are lost (RFC 8985, 7). */
  #probeTail(nowMs: number): void {
    this.#probed = true;
    const chunk = this.#inFlight.latest;
    if (chunk === undefined) return;
    this.#lose(chunk);
    this.#lost.addNext(chunk);
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
    // If the receiver still had the first chunk, it would have delivered it. It has dropped its early chunks (RFC 9260, 6.3.3).
    if (this.#ring.first?.state === 'acknowledged') this.#forgetGaps(lost);
    this.#lost.add(lost);
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
