import { setTimeout as delay } from 'node:timers/promises';
import type { DataChannel, IceServer as NativeIceServer, PeerConnection } from 'node-datachannel';
import type { IceServer } from '../../../protocol/signaling.ts';
import { within } from '../../async/abort.ts';
import { parseIceUrl } from '../../ice/ice-urls.ts';
import { loopbackIfAlone } from '../../ice/local-addresses.ts';
import {
  type Engine,
  type EngineChannel,
  type EngineChannelHandlers,
  type EngineConnection,
  type EngineConnectionHandlers,
  type EngineOptions,
  type EnginePath,
  type IceCandidate,
  SEND_BUFFER_BYTES,
} from '../engine.ts';

type Library = typeof import('node-datachannel');

/** What a channel's buffer must have fallen to before its sender goes on, in bytes: half-full, so it never runs dry. */
const LOW_WATER_BYTES = SEND_BUFFER_BYTES / 2;

/**
 * What SCTP may have on its way or out of order, in bytes, each way: the library's own 1 MiB hold a path of 20 ms to 50 MB/s.
 * With 16 MiB one transfer in fifteen stood still on a busy machine: what the receiver's socket had no room for was lost in
 * one go, and SCTP took longer over it than a peer may be silent. Its other settings (first window, HSTCP, H-TCP, RTCC) gained
 * nothing.
 */
const SCTP_BUFFER_BYTES = 2 * 1024 * 1024;

/** Longest wait for the library to say that a connection is closed, in ms; it says so at once. */
const CLOSE_MS = 1_000;

/**
 * How long the answerer keeps candidates of another libdatachannel back, in ms. Were it the first to find a direct path, its
 * DTLS hello would come before the offerer listens, and be repeated after a second only. With werift this gains nothing.
 */
const CANDIDATES_AFTER_ANSWER_MS = 200;

/** By which the library's own descriptions are known. */
const OWN_ORIGIN = /^o=rtc /m;

let loading: Promise<Engine | undefined> | undefined;

/**
 * The WebRTC stack in C++: faster than werift, but it needs a binary for this very system, and it reaches TURN
 * servers over UDP only. Undefined where the optional package `node-datachannel` is not there or can't be loaded.
 */
export function libdatachannelEngine(): Promise<Engine | undefined> {
  loading ??= import('node-datachannel').then(
    (library): Engine => {
      library.setSctpSettings({ recvBufferSize: SCTP_BUFFER_BYTES, sendBufferSize: SCTP_BUFFER_BYTES });
      return {
        name: 'libdatachannel',
        createConnection: (options, handlers) => new LibdatachannelConnection(library, options, handlers),
      };
    },
    () => undefined,
  );
  return loading;
}

class LibdatachannelConnection implements EngineConnection {
  readonly #peer: PeerConnection;
  readonly #handlers: EngineConnectionHandlers;
  readonly #closed = Promise.withResolvers<void>();
  readonly #toldCandidates = new Set<string>();
  /** The offerer's own, until it has taken the answer. */
  #heldBack: IceCandidate[] | undefined;
  readonly #directPaths: boolean;
  #answered: Promise<unknown> | undefined;
  #ended = false;

  constructor(library: Library, { iceServers, iceTransportPolicy }: EngineOptions, handlers: EngineConnectionHandlers) {
    this.#handlers = handlers;
    this.#directPaths = iceTransportPolicy === 'all';
    const loopback = loopbackIfAlone();
    this.#peer = new library.PeerConnection('', {
      iceServers: iceServers.flatMap(toNative),
      iceTransportPolicy,
      disableAutoNegotiation: true,
      ...(loopback !== undefined && { bindAddress: loopback }),
    });
    this.#peer.onLocalCandidate(safely((candidate, mid) => this.#tell(candidate, mid)));
    this.#peer.onGatheringStateChange(safely((state) => state === 'complete' && this.#tellEndOfCandidates()));
    this.#peer.onDataChannel(
      safely((channel) =>
        this.#ended ? channel.close() : handlers.channel(new LibdatachannelChannel(channel, { incoming: true })),
      ),
    );
    // The library calls back into an object that may be garbage by then, unless something holds it: this closure does.
    this.#peer.onStateChange(
      safely((state) => {
        if (state === 'failed' && !this.#ended) handlers.failed();
        if (state === 'closed') this.#closed.resolve();
      }),
    );
  }

  /**
   * No address of ours is told before the answer is taken. The library takes an answer in two steps, for ICE first and then
   * for DTLS. A peer that knew our addresses by then could connect and shake hands in between, and had its certificate refused
   * ("unknown CA") since the fingerprint was not there yet: on a busy machine one attempt with Chromium in twenty failed so.
   * Relays are told at once: they let nobody through whom we have not named, and to wait costs such a path whole attempts.
   */
  async createOffer(): Promise<string> {
    if (this.#directPaths) this.#heldBack = [];
    return this.#describe('offer');
  }

  async acceptOffer(sdp: string): Promise<string> {
    this.#peer.setRemoteDescription(sdp, 'offer');
    // A relay, though, must have been told of the other side's before anything can come through.
    if (this.#directPaths && OWN_ORIGIN.test(sdp)) this.#answered = delay(CANDIDATES_AFTER_ANSWER_MS);
    return this.#describe('answer');
  }

  async acceptAnswer(sdp: string): Promise<void> {
    this.#peer.setRemoteDescription(sdp, 'answer');
    const candidates = this.#heldBack ?? [];
    this.#heldBack = undefined;
    for (const candidate of candidates) this.#handlers.candidate(candidate);
  }

  async addCandidate(candidate: IceCandidate): Promise<void> {
    await this.#answered;
    // The library is not told of the end of candidates: it gives up by time.
    if (this.#ended || candidate === null || candidate.candidate === '') return;
    this.#peer.addRemoteCandidate(candidate.candidate, candidate.sdpMid ?? '');
  }

  createChannel(label: string, options: { negotiatedId?: number } = {}): EngineChannel {
    const { negotiatedId } = options;
    return new LibdatachannelChannel(
      this.#peer.createDataChannel(label, negotiatedId === undefined ? {} : { negotiated: true, id: negotiatedId }),
    );
  }

  path(): EnginePath | undefined {
    const pair = this.#ended ? null : this.#peer.getSelectedCandidatePair();
    if (pair === null) return undefined;
    const { local, remote } = pair;
    return { localType: local.type, remoteType: remote.type, remoteAddress: remote.address, remotePort: remote.port };
  }

  async close(): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      this.#peer.close();
    }
    await within(this.#closed.promise, { timeoutMs: CLOSE_MS }).catch(() => undefined);
  }

  #describe(type: 'offer' | 'answer'): string {
    this.#peer.setLocalDescription(type);
    const description = this.#peer.localDescription();
    if (description === null) throw new Error(`libdatachannel made no ${type}`);
    // Those gathered by then are told one by one like the others; werift gives up too early where all come in its answer.
    return description.sdp.replace(/^a=(candidate:[^\r\n]*|end-of-candidates)\r?\n/gm, '');
  }

  /** @param line as in a description, or without its `a=`, which a candidate by itself does not have */
  #tell(line: string, mid: string): void {
    const candidate = line.replace(/^a=/, '');
    if (this.#ended || this.#toldCandidates.has(candidate)) return;
    this.#toldCandidates.add(candidate);
    this.#pass({ candidate, sdpMid: mid, sdpMLineIndex: 0 });
  }

  /** Candidates and the end of gathering reach us by different queues, so the last candidates may still be under way. */
  #tellEndOfCandidates(): void {
    if (this.#ended) return;
    const sdp = this.#peer.localDescription()?.sdp ?? '';
    const mid = /^a=mid:(\S+)/m.exec(sdp)?.[1] ?? '0';
    for (const [line] of sdp.matchAll(/^a=candidate:[^\r\n]+/gm)) this.#tell(line, mid);
    this.#pass(null);
  }

  #pass(candidate: IceCandidate): void {
    const isRelay = candidate?.candidate.includes(' typ relay');
    if (this.#heldBack === undefined || isRelay) this.#handlers.candidate(candidate);
    else this.#heldBack.push(candidate);
  }
}

class LibdatachannelChannel implements EngineChannel {
  readonly label: string;
  readonly #channel: DataChannel;
  readonly #incoming: boolean;
  #handlers: EngineChannelHandlers | undefined;
  #closed = false;

  constructor(channel: DataChannel, { incoming = false } = {}) {
    this.#channel = channel;
    this.#incoming = incoming;
    this.label = channel.getLabel();
  }

  get isOpen(): boolean {
    return this.#channel.isOpen();
  }

  get bufferedBytes(): number {
    return this.#channel.bufferedAmount();
  }

  listen(handlers: EngineChannelHandlers): void {
    this.#handlers = handlers;
    // Until it is closed the library may call back into the channel, so it must not become garbage: these closures hold it.
    this.#channel.onClosed(safely(() => this.#end()));
    this.#channel.onOpen(safely(() => handlers.open()));
    this.#channel.onBufferedAmountLow(safely(() => handlers.drained()));
    this.#channel.setBufferedAmountLowThreshold(LOW_WATER_BYTES);
    this.#channel.onMessage(
      safely((data) => handlers.message(data instanceof ArrayBuffer ? new Uint8Array(data) : data)),
    );
    // One that the peer opened is open when we hear of it; where it is not any more, nobody tells us.
    if (this.#incoming && !this.#channel.isOpen()) setImmediate(() => this.#end());
  }

  send(data: string | Uint8Array): void {
    try {
      // False only means that it had to be queued.
      if (typeof data === 'string') this.#channel.sendMessage(data);
      else this.#channel.sendMessageBinary(data);
    } catch {
      // It has just been closed, or the peer announced that it takes no message of this size: no more can be sent on it.
      this.#channel.close();
      setImmediate(() => this.#end());
    }
  }

  close(): void {
    this.#channel.close();
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers?.closed();
  }
}

/** A throw inside a callback would abort the process without a word; outside, it is an uncaught exception like any other. */
function safely<Args extends unknown[]>(callback: (...args: Args) => unknown): (...args: Args) => void {
  return (...args) => {
    try {
      callback(...args);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  };
}

/** As objects, since user names of time-limited credentials contain colons. What the library can't use is left out. */
function toNative({ urls, username, credential }: IceServer): NativeIceServer[] {
  return urls.flatMap((text) => {
    const url = parseIceUrl(text);
    if (url === undefined || url.transport !== 'udp') return [];
    const server = { hostname: url.host, port: url.port };
    if (url.scheme === 'stun') return [server];
    if (username === undefined || credential === undefined) return [];
    return [{ ...server, username, password: credential, relayType: 'TurnUdp' as const }];
  });
}
