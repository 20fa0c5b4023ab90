import { setTimeout as delay } from 'node:timers/promises';
import type { IceServer as NativeIceServer, PeerConnection } from 'node-datachannel';
import type { IceServer } from '../../../protocol/wire/signaling.ts';
import { within } from '../../async/within.ts';
import { parseIceUrl } from '../../ice/ice-urls.ts';
import { loopbackIfAlone } from '../../ice/local-addresses.ts';
import type {
  Engine,
  EngineChannel,
  EngineConnection,
  EngineConnectionHandlers,
  EngineOptions,
  EnginePath,
  IceCandidate,
} from '../engine.ts';
import { LibdatachannelChannel } from './libdatachannel-channel.ts';
import { safely } from './safely.ts';

type Library = typeof import('node-datachannel');

/**
 * Bytes that SCTP may have on their way or out of order, in each direction. The library's default, 1 MiB, limits a path of 20 ms to
 * 50 MB/s. With 16 MiB one transfer in fifteen stalled on a busy machine: the receiver's socket lost many packets at once, and
 * SCTP took longer to recover than a peer may be silent. Other settings (first window, HSTCP, H-TCP, RTCC) gained nothing.
 */
const SCTP_BUFFER_BYTES = 2 * 1024 * 1024;

/** Longest wait for the library to report that a connection is closed, in ms. Normally it reports it at once. */
const CLOSE_TIMEOUT_MS = 1_000;

/**
 * How long the answerer delays the candidates of another libdatachannel, in ms. Otherwise it might find a direct path first and send
 * its DTLS hello before the offerer listens; the hello is repeated only after a second. With werift the delay gains nothing.
 */
const CANDIDATE_DELAY_MS = 200;

/** The origin line by which the library's own descriptions are recognized. */
const OWN_ORIGIN = /^o=rtc /m;

let loading: Promise<Engine | undefined> | undefined;

/**
 * Loads the WebRTC stack in C++. It needs a binary for the system, and it reaches TURN servers over UDP only. Returns undefined if
 * the optional package `node-datachannel` is missing or cannot be loaded.
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
  readonly #sentCandidates = new Set<string>();
  /** The offerer's own candidates, until it has accepted the answer. */
  #heldBack: IceCandidate[] | undefined;
  readonly #directPaths: boolean;
  #candidateDelay: Promise<unknown> | undefined;
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
    this.#peer.onLocalCandidate(safely((candidate, mid) => this.#found(candidate, mid)));
    this.#peer.onGatheringStateChange(safely((state) => state === 'complete' && this.#gathered()));
    this.#peer.onDataChannel(
      safely((channel) =>
        this.#ended ? channel.close() : handlers.channel(new LibdatachannelChannel(channel, { incoming: true })),
      ),
    );
    // The library may call back later. This closure keeps the object from being garbage collected.
    this.#peer.onStateChange(
      safely((state) => {
        if (state === 'failed' && !this.#ended) handlers.failed();
        if (state === 'closed') this.#closed.resolve();
      }),
    );
  }

  /**
   * Our addresses are sent only after the answer was accepted. The library accepts an answer in two steps, first for ICE and then for
   * DTLS. A peer that knows our addresses could connect and shake hands between the two, and its certificate would be refused
   * ("unknown CA") because the fingerprint is not set yet. On a busy machine one attempt with Chromium in twenty failed this way.
   * Relays are sent at once: a relay admits only peers that we have named, and a delay costs such a path whole attempts.
   */
  async createOffer(): Promise<string> {
    if (this.#directPaths) this.#heldBack = [];
    return this.#describe('offer');
  }

  async acceptOffer(sdp: string): Promise<string> {
    this.#peer.setRemoteDescription(sdp, 'offer');
    // Without direct paths there is no delay: a relay must know the peer's addresses before it admits anything.
    if (this.#directPaths && OWN_ORIGIN.test(sdp)) this.#candidateDelay = delay(CANDIDATE_DELAY_MS);
    return this.#describe('answer');
  }

  async acceptAnswer(sdp: string): Promise<void> {
    this.#peer.setRemoteDescription(sdp, 'answer');
    const candidates = this.#heldBack ?? [];
    this.#heldBack = undefined;
    for (const candidate of candidates) this.#handlers.candidate(candidate);
  }

  async addCandidate(candidate: IceCandidate): Promise<void> {
    await this.#candidateDelay;
    // The library needs no end of candidates: it gives up after a time.
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
    await within(this.#closed.promise, { timeoutMs: CLOSE_TIMEOUT_MS }).catch(() => undefined);
  }

  #describe(type: 'offer' | 'answer'): string {
    this.#peer.setLocalDescription(type);
    const description = this.#peer.localDescription();
    if (description === null) throw new Error(`libdatachannel made no ${type}`);
    // Candidates that were gathered by now are sent one by one too. If all are in the answer, werift gives up too early.
    return description.sdp.replace(/^a=(candidate:[^\r\n]*|end-of-candidates)\r?\n/gm, '');
  }

  /** Sends a candidate once. @param line the candidate as in a description, with or without `a=` */
  #found(line: string, mid: string): void {
    const candidate = line.replace(/^a=/, '');
    if (this.#ended || this.#sentCandidates.has(candidate)) return;
    this.#sentCandidates.add(candidate);
    this.#send({ candidate, sdpMid: mid, sdpMLineIndex: 0 });
  }

  /** The end of gathering may overtake the last candidates, since they come through another queue. */
  #gathered(): void {
    if (this.#ended) return;
    const sdp = this.#peer.localDescription()?.sdp ?? '';
    const mid = /^a=mid:(\S+)/m.exec(sdp)?.[1] ?? '0';
    for (const [line] of sdp.matchAll(/^a=candidate:[^\r\n]+/gm)) this.#found(line, mid);
    this.#send(null);
  }

  #send(candidate: IceCandidate): void {
    const isRelay = candidate?.candidate.includes(' typ relay');
    if (this.#heldBack === undefined || isRelay) this.#handlers.candidate(candidate);
    else this.#heldBack.push(candidate);
  }
}

/** Uses objects, since user names of time-limited credentials contain colons. Leaves out what the library cannot use. */
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
