import { randomBytes } from 'node:crypto';
import type { ProbedAssociation } from './path-mtu.ts';
import { type Clock, systemClock } from './sctp/clock.ts';
import { DataReceiver, type InboundMessage } from './sctp/data-receiver.ts';
import { DataSender } from './sctp/data-sender.ts';
import {
  CHUNK_DATA,
  CHUNK_HEARTBEAT,
  CHUNK_HEARTBEAT_ACK,
  CHUNK_INIT,
  CHUNK_SACK,
  chunkPacket,
  dataPacket,
  type PacketHeader,
  type RawChunk,
  readData,
  readHeader,
  readPacket,
  readSack,
  sackPacket,
} from './sctp/packets.ts';
import type { Association } from './werift-parts.ts';

/** Room for chunks beyond a gap, in bytes. werift's 1 MiB limits a path of 50 ms to 20 MB/s. */
const WINDOW_BYTES = 16 * 1024 * 1024;
/** Largest message that is accepted. We announce a sixteenth of it (RFC 8841). */
const MAX_MESSAGE_BYTES = 1024 * 1024;
/**
 * Packets between two acknowledgements while many arrive. RFC 9260, 6.2, says two. With more than four, other stacks increase their
 * rate too slowly.
 */
const SACK_PACKETS = 4;
const SACK_PACKETS_OF_TUNED = 16;
/** Longest delay of the acknowledgement of a single packet, in ms (RFC 9260, 6.2, allows 500). */
const SACK_DELAY_MS = 10;
/** First timeout while the association is set up, in s. werift waits 3 s, but the path has just carried DTLS. */
const SETUP_RTO_S = 0.5;

/** The only parameter of a HEARTBEAT, and the size of a packet with a HEARTBEAT that has a token and no padding. */
const HEARTBEAT_INFO = 1;
const HEARTBEAT_INFO_BYTES = 4;
const TOKEN_BYTES = 16;
const PROBE_OVERHEAD_BYTES = 12 + 4 + HEARTBEAT_INFO_BYTES + TOKEN_BYTES;

const ESTABLISHED = 4;
const CLOSED = 1;

/**
 * Replaces the data transfer of a werift association, in both directions: DATA and SACK chunks are ours, while set-up, stream resets
 * and shutdown stay werift's. Create it before the association is set up.
 */
export class TunedAssociation implements ProbedAssociation {
  readonly #sctp: Association;
  readonly #clock: Clock;
  readonly #handleOther: (packet: Buffer) => Promise<void>;
  #transmitPacket: (packet: Buffer) => void;
  #sender: DataSender | undefined;
  #receiver: DataReceiver | undefined;
  #packetsToAcknowledge = 0;
  #mustAcknowledge = false;
  #sackSoon: NodeJS.Immediate | undefined;
  #cancelSackTimer: (() => void) | undefined;
  #sackPackets = SACK_PACKETS;
  /** Probes without an answer, by their token in hexadecimal. */
  readonly #probes = new Map<string, () => void>();
  onTimeout: ProbedAssociation['onTimeout'] = () => undefined;

  constructor(sctp: Association, clock: Clock = systemClock) {
    this.#sctp = sctp;
    this.#clock = clock;
    this.#handleOther = sctp.handleData.bind(sctp);
    this.#transmitPacket = (packet) => {
      sctp.transport.send(packet).catch(() => undefined);
    };
    sctp.advertisedRwnd = WINDOW_BYTES;
    // All our channels are reliable, so no peer may make us skip a chunk (RFC 3758, 3.1).
    sctp.localPartialReliability = false;
    sctp.rto = SETUP_RTO_S;
    sctp.handleData = (packet) => this.#handle(packet);
    sctp.transmit = () => Promise.resolve(this.#sender?.transmit());
    sctp.send = (streamId, protocolId, data, options) =>
      new Promise((resolve) => {
        const unordered = options?.ordered === false;
        this.#dataSender().enqueue({ streamId, protocolId, data, unordered }, resolve);
        sctp.localTsn = this.#dataSender().nextTsn;
      });
  }

  /** Replaces the function that sends packets. */
  set transmitPacket(transmit: (packet: Buffer) => void) {
    this.#transmitPacket = transmit;
  }

  /** The peer uses this tuned stack too, so one acknowledgement may cover more packets. */
  peerIsTuned(): void {
    this.#sackPackets = SACK_PACKETS_OF_TUNED;
  }

  get payloadBytes(): number {
    return this.#sctp.maxPayloadSize;
  }

  /** Bytes of data in each packet from now on. */
  set payloadBytes(bytes: number) {
    this.#sctp.maxPayloadSize = bytes;
    if (this.#sender !== undefined) this.#sender.payloadBytes = bytes;
  }

  /** Sends a HEARTBEAT (RFC 9260, 3.3.5) whose information is a token and padding. */
  probe(sctpBytes: number): { answered: Promise<void>; forget: () => void } {
    const answer = Promise.withResolvers<void>();
    const body = Buffer.alloc(Math.max(sctpBytes - PROBE_OVERHEAD_BYTES, 0) + HEARTBEAT_INFO_BYTES + TOKEN_BYTES);
    body.writeUInt16BE(HEARTBEAT_INFO, 0);
    body.writeUInt16BE(body.length, 2);
    const token = randomBytes(TOKEN_BYTES);
    body.set(token, HEARTBEAT_INFO_BYTES);
    this.#probes.set(token.toString('hex'), answer.resolve);
    const chunk = { type: CHUNK_HEARTBEAT, flags: 0, body };
    if (!this.#sctp.isStopped) this.#transmitPacket(chunkPacket(this.#header(), chunk));
    return { answered: answer.promise, forget: () => this.#probes.delete(token.toString('hex')) };
  }

  stop(): void {
    this.#sender?.stop();
    this.#cancelSackTimer?.();
    if (this.#sackSoon !== undefined) clearImmediate(this.#sackSoon);
  }

  async #handle(packet: Buffer): Promise<void> {
    const sctp = this.#sctp;
    if (sctp.isStopped) return this.stop();
    const chunks = readPacket(packet, sctp.localVerificationTag);
    // An INIT has no tag. A late one would reset an established association.
    if (chunks === undefined) {
      if (sctp.associationState !== ESTABLISHED && packet[12] === CHUNK_INIT) await this.#leaveToWerift(packet);
      return;
    }
    for (const chunk of chunks) {
      if (chunk.type === CHUNK_DATA) this.#takeData(chunk);
      else if (chunk.type === CHUNK_SACK) this.#takeSack(chunk);
      else if (chunk.type === CHUNK_HEARTBEAT_ACK) this.#takeAnswer(chunk);
      else await this.#leaveToWerift(chunkPacket(readHeader(packet), chunk));
    }
    if (this.#packetsToAcknowledge > 0) this.#scheduleSack();
  }

  /** werift throws an error for unknown chunks, which have to be ignored. */
  #leaveToWerift(packet: Buffer): Promise<void> {
    return this.#handleOther(packet).catch(() => undefined);
  }

  #takeData(raw: RawChunk): void {
    const chunk = readData(raw);
    const { lastReceivedTsn } = this.#sctp;
    if (chunk === undefined || lastReceivedTsn === undefined) return;
    this.#receiver ??= new DataReceiver({
      cumulativeTsn: lastReceivedTsn,
      windowBytes: WINDOW_BYTES,
      maxMessageBytes: MAX_MESSAGE_BYTES,
      deliver: (message) => this.#deliver(message),
    });
    const taken = this.#receiver.take(chunk);
    if (taken === 'violation') {
      this.cutOff();
      return;
    }
    this.#packetsToAcknowledge += 1;
    if (taken !== 'order') this.#mustAcknowledge = true;
  }

  #takeSack(raw: RawChunk): void {
    const sack = readSack(raw);
    if (sack !== undefined) this.#sender?.acknowledge(sack);
  }

  #takeAnswer({ body }: RawChunk): void {
    this.#probes.get(body.toString('hex', HEARTBEAT_INFO_BYTES, HEARTBEAT_INFO_BYTES + TOKEN_BYTES))?.();
  }

  #deliver({ streamId, protocolId, data }: InboundMessage): void {
    this.#sctp.onReceive.execute(streamId, protocolId, data);
  }

  cutOff(): void {
    this.stop();
    this.#sctp.abort().catch(() => undefined);
    this.#sctp.setState(CLOSED);
  }

  /** Acknowledges all packets of one turn of the event loop together. */
  #scheduleSack(): void {
    if (this.#packetsToAcknowledge >= this.#sackPackets) this.#sendSack();
    else if (this.#packetsToAcknowledge >= 2 || this.#mustAcknowledge) {
      this.#sackSoon ??= setImmediate(() => this.#sendSack());
    } else {
      this.#cancelSackTimer ??= this.#clock.after(SACK_DELAY_MS, () => {
        this.#cancelSackTimer = undefined;
        if (this.#packetsToAcknowledge > 0) this.#sendSack();
      });
    }
  }

  #sendSack(): void {
    if (this.#sackSoon !== undefined) clearImmediate(this.#sackSoon);
    this.#sackSoon = undefined;
    this.#packetsToAcknowledge = 0;
    this.#mustAcknowledge = false;
    if (this.#receiver === undefined || this.#sctp.isStopped) return;
    this.#transmitPacket(sackPacket(this.#header(), this.#receiver.sack()));
  }

  #dataSender(): DataSender {
    const sctp = this.#sctp;
    if (this.#sender !== undefined) return this.#sender;
    const header = this.#header();
    this.#sender = new DataSender({
      firstTsn: sctp.localTsn,
      payloadBytes: sctp.maxPayloadSize,
      peerWindowBytes: sctp.peerAdvertisedRwnd,
      streamSequences: sctp.outboundStreamSeq,
      clock: this.#clock,
      onTimeout: (inARow) => this.onTimeout(inARow),
      emit: (chunk) => {
        if (!sctp.isStopped) this.#transmitPacket(dataPacket(header, chunk));
      },
    });
    return this.#sender;
  }

  #header(): PacketHeader {
    return {
      sourcePort: this.#sctp.localPort,
      destinationPort: this.#sctp.remotePort ?? 0,
      verificationTag: this.#sctp.remoteVerificationTag,
    };
  }
}
