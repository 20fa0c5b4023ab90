/** What an acknowledgement shows about the path. */
export interface DeliverySample {
  nowMs: number;
  /** All bytes acknowledged so far, and how many of them when the newest acknowledged chunk was sent. */
  deliveredBytes: number;
  deliveredBytesAtSend: number;
  newlyDeliveredBytes: number;
  newlyLostBytes: number;
  /** Bytes that are still in flight. */
  inFlightBytes: number;
  /** Delivery rate. Undefined if the acknowledgement does not show it. */
  bytesPerMs: number | undefined;
  /** The rate was limited by what there was to send, so the path may carry more. */
  appLimited: boolean;
  rttMs: number | undefined;
}

/** Gains of start-up, and the cycle of the steady state (draft-ietf-ccwg-bbr, 5.6 and its precursor's ProbeBW). */
const STARTUP_GAIN = 2.77;
const CYCLE_GAINS = [1.25, 0.75, 1, 1, 1, 1, 1, 1] as const;
/** Bytes in flight, as a multiple of what the path holds. More than the path holds waits in its queue. */
const WINDOW_GAIN = 2;
/** If the rate grew by less than a quarter in the last rounds of start-up, the path is full. */
const FULL_GROWTH = 1.25;
const FULL_ROUNDS = 3;
/** A rate is dropped when it is older than both. */
const BANDWIDTH_ROUNDS = 10;
const BANDWIDTH_MS = 400;
/** A shortest round trip older than this is measured again, while the queue is drained for a moment. */
const MIN_RTT_MS = 10_000;
const PROBE_RTT_MS = 200;
const PROBE_RTT_GAIN = 0.5;
/** Share of lost packets in a round that does not count as congestion (BBRv2's threshold), and a number that may be chance. */
const TOLERATED_LOSS = 0.02;
const CHANCE_PACKETS = 8;
/** Share of the window that remains after a round with more loss. */
const LOSS_BETA = 0.7;
/**
 * Time that the two event loops add to a round trip, in ms. Acknowledgements arrive in groups, whenever the receiver's JavaScript
 * runs, and a window for the path alone would be used up between two groups.
 */
const EVENT_LOOP_MS = 3;
const INITIAL_PACKETS = 10;
const MINIMUM_PACKETS = 4;

/**
 * Decides how much may be in flight and how fast it is sent. It is a small BBR (Cardwell et al., ACM Queue 2016;
 * draft-ietf-ccwg-bbr), with BBRv2's limit on bytes in flight after a round that lost more than 2 %. It measures what the path
 * delivers and its shortest round trip, sends at that rate, and has at most twice what the path holds in flight. So a random loss
 * costs only what was lost, while a growing queue or heavy loss makes it slow down.
 */
export class CongestionControl {
  #mode: 'startup' | 'drain' | 'cruise' | 'probe-rtt' = 'startup';
  #packetBytes: number;
  #windowBytes: number;
  /** Limit of the window after heavy loss. */
  #capBytes = Number.POSITIVE_INFINITY;
  #rates: { bytesPerMs: number; round: number; atMs: number }[] = [];
  #minRttMs = Number.POSITIVE_INFINITY;
  #minRttAtMs = 0;
  #probeRttEndsMs = 0;
  #round = 0;
  #nextRoundAtBytes = 0;
  #roundDelivered = 0;
  #roundLost = 0;
  #roundPeakBytes = 0;
  #fullBytesPerMs = 0;
  #fullRounds = 0;
  #cycle = 0;
  #cycleStartedMs = 0;

  /** @param packetBytes bytes of data in a packet */
  constructor(packetBytes: number) {
    this.#packetBytes = packetBytes;
    this.#windowBytes = INITIAL_PACKETS * packetBytes;
  }

  set packetBytes(bytes: number) {
    this.#packetBytes = bytes;
    this.#windowBytes = Math.max(this.#windowBytes, MINIMUM_PACKETS * bytes);
  }

  /** Shortest round trip seen, in ms. Infinite before the first. */
  get minRttMs(): number {
    return this.#minRttMs;
  }

  /** Bytes that may be in flight. */
  get windowBytes(): number {
    const capped = Math.min(this.#windowBytes, Math.max(this.#capBytes, this.#pathBytes() / 2));
    const window = this.#mode === 'probe-rtt' ? Math.min(capped, PROBE_RTT_GAIN * this.#pathBytes()) : capped;
    return Math.max(window, MINIMUM_PACKETS * this.#packetBytes);
  }

  /**
   * Rate at which to send. Infinite before the first measurement. It is at least the smallest window per round trip, since a rate
   * that was measured while there was little to send does not show what the path carries. In start-up it is at least the initial
   * window per round trip (as the nominal rate in draft-ietf-ccwg-bbr, 5.6.2).
   */
  get pacingBytesPerMs(): number {
    const bandwidth = this.#bandwidth();
    if (bandwidth === 0) return Number.POSITIVE_INFINITY;
    const leastPackets = this.#mode === 'startup' ? STARTUP_GAIN * INITIAL_PACKETS : MINIMUM_PACKETS;
    const leastBytesPerMs = (leastPackets * this.#packetBytes) / (this.#minRttMs + EVENT_LOOP_MS);
    return Math.max(bandwidth * this.#pacingGain(), leastBytesPerMs);
  }

  onAcknowledged(sample: DeliverySample): void {
    this.#roundDelivered += sample.newlyDeliveredBytes;
    this.#roundLost += sample.newlyLostBytes;
    this.#roundPeakBytes = Math.max(this.#roundPeakBytes, sample.inFlightBytes + sample.newlyDeliveredBytes);
    const newRound = sample.deliveredBytesAtSend >= this.#nextRoundAtBytes;
    if (newRound) {
      this.#nextRoundAtBytes = sample.deliveredBytes;
      this.#round += 1;
    }
    this.#learnRate(sample);
    this.#learnRtt(sample);
    if (newRound) this.#endRound(sample);
    this.#advance(sample);
    const target = this.#mode === 'startup' ? Number.POSITIVE_INFINITY : WINDOW_GAIN * this.#pathBytes();
    // The window grows only if it was used. In start-up it then doubles each round, as in slow start.
    const used = sample.inFlightBytes + sample.newlyDeliveredBytes >= this.#windowBytes / 2;
    if (used || this.#windowBytes > target) {
      this.#windowBytes = Math.min(this.#windowBytes + sample.newlyDeliveredBytes, target);
    }
    if (this.#mode === 'startup' && this.#bandwidth() > 0) {
      this.#windowBytes = Math.min(
        this.#windowBytes,
        Math.max(STARTUP_GAIN * this.#pathBytes(), INITIAL_PACKETS * this.#packetBytes),
      );
    }
  }

  /** Nothing was acknowledged for so long that everything in flight counts as lost. */
  onTimeout(): void {
    this.#windowBytes = MINIMUM_PACKETS * this.#packetBytes;
    this.#rates = [];
  }

  #bandwidth(): number {
    return this.#rates[0]?.bytesPerMs ?? 0;
  }

  /** What the path holds: bandwidth times shortest round trip. */
  #pathBytes(): number {
    const bandwidth = this.#bandwidth();
    if (bandwidth === 0) return INITIAL_PACKETS * this.#packetBytes;
    return bandwidth * (this.#minRttMs + EVENT_LOOP_MS);
  }

  #pacingGain(): number {
    if (this.#mode === 'startup') return STARTUP_GAIN;
    if (this.#mode === 'drain') return 1 / STARTUP_GAIN;
    if (this.#mode === 'probe-rtt') return 1;
    return CYCLE_GAINS[this.#cycle] ?? 1;
  }

  /** Keeps the largest rate first, then those that replace it when it expires. */
  #learnRate({ bytesPerMs, appLimited, nowMs }: DeliverySample): void {
    const rates = this.#rates;
    const expired = (rate: (typeof rates)[number]) =>
      this.#round - rate.round > BANDWIDTH_ROUNDS && nowMs - rate.atMs > BANDWIDTH_MS;
    if (bytesPerMs !== undefined && (!appLimited || bytesPerMs >= this.#bandwidth())) {
      while (rates.length > 0 && (rates.at(-1)?.bytesPerMs ?? 0) <= bytesPerMs) rates.pop();
      rates.push({ bytesPerMs, round: this.#round, atMs: nowMs });
    }
    while (rates.length > 1 && rates[0] !== undefined && expired(rates[0])) rates.shift();
  }

  #learnRtt({ rttMs, nowMs }: DeliverySample): void {
    if (rttMs === undefined) return;
    const stale = nowMs - this.#minRttAtMs > MIN_RTT_MS;
    if (rttMs <= this.#minRttMs || (stale && this.#mode === 'probe-rtt')) {
      this.#minRttMs = rttMs;
      this.#minRttAtMs = nowMs;
    } else if (stale && this.#mode === 'cruise') {
      this.#mode = 'probe-rtt';
      this.#probeRttEndsMs = nowMs + Math.max(PROBE_RTT_MS, 2 * this.#minRttMs);
    }
  }

  #endRound(sample: DeliverySample): void {
    const lost = this.#roundLost;
    const enough = lost > CHANCE_PACKETS * this.#packetBytes;
    const heavy = enough && lost > TOLERATED_LOSS * (lost + this.#roundDelivered);
    if (heavy) {
      // Start-up overshoots, and its losses appear in several rounds. The limit is never below what the path was seen to carry.
      this.#capBytes = LOSS_BETA * Math.max(Math.min(this.#roundPeakBytes, this.#capBytes), this.#pathBytes());
      if (this.#mode === 'startup') this.#mode = 'drain';
    }
    if (heavy || enough || this.#roundDelivered > 50 * CHANCE_PACKETS * this.#packetBytes || lost === 0) {
      // Otherwise the counts continue over the next round, until they are large enough.
      this.#roundLost = 0;
      this.#roundDelivered = 0;
    }
    this.#roundPeakBytes = 0;
    if (this.#mode === 'startup' && !sample.appLimited) {
      if (this.#bandwidth() >= this.#fullBytesPerMs * FULL_GROWTH) {
        this.#fullBytesPerMs = this.#bandwidth();
        this.#fullRounds = 0;
      } else {
        this.#fullRounds += 1;
        if (this.#fullRounds >= FULL_ROUNDS) this.#mode = 'drain';
      }
    }
  }

  #advance({ nowMs, inFlightBytes, newlyLostBytes }: DeliverySample): void {
    if (this.#mode === 'drain' && inFlightBytes <= this.#pathBytes()) this.#enterCruise(nowMs);
    if (this.#mode === 'probe-rtt' && nowMs >= this.#probeRttEndsMs) {
      this.#minRttAtMs = nowMs;
      this.#enterCruise(nowMs);
    }
    if (this.#mode !== 'cruise') return;
    const elapsed = nowMs - this.#cycleStartedMs;
    const phaseMs = Math.max(this.#minRttMs, 1);
    const gain = CYCLE_GAINS[this.#cycle] ?? 1;
    const over =
      gain === 1.25
        ? elapsed > phaseMs &&
          (newlyLostBytes > 0 || inFlightBytes >= gain * this.#pathBytes() || elapsed > 3 * phaseMs)
        : elapsed > phaseMs || (gain === 0.75 && inFlightBytes <= this.#pathBytes());
    if (!over) return;
    this.#cycle = (this.#cycle + 1) % CYCLE_GAINS.length;
    this.#cycleStartedMs = nowMs;
    // Each cycle widens the limit that a loss has set.
    if (this.#cycle === 0 && Number.isFinite(this.#capBytes)) {
      this.#capBytes *= 1.25;
      if (this.#capBytes > 2 * WINDOW_GAIN * this.#pathBytes()) this.#capBytes = Number.POSITIVE_INFINITY;
    }
  }

  #enterCruise(nowMs: number): void {
    this.#mode = 'cruise';
    this.#cycle = 2;
    this.#cycleStartedMs = nowMs;
  }
}
