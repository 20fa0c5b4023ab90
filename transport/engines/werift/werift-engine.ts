import type { Socket } from 'node:dgram';
import {
  type PeerConfig,
  type RTCDataChannel,
  type RTCIceServer,
  RTCPeerConnection,
  type RTCSessionDescription,
  StunProtocol,
} from 'werift';
import type { IceServer } from '../../../protocol/signaling.ts';
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
import { readDatagramLimit } from './datagram-limit.ts';
import { type TunedConnection, tuneConnection } from './tuning/index.ts';
import { steadyHandshake } from './tuning/steady-handshake.ts';

/** SCTP packet size in bytes: with the headers of DTLS, UDP and IPv6 below the 1,280 bytes that every path carries. */
const SCTP_MTU_BYTES = 1_191;

/**
 * Tells the peer, at the end of our description, that we read datagrams of any size. Others may not: libdatachannel drops
 * what is above 4 KiB, so it gets no large packets, whatever the path carries.
 */
const LARGE_DATAGRAMS = 'a=x-sleap-rtc-large-datagrams';

/** Largest IP packet to a peer that says nothing of that kind, in bytes: Ethernet's. */
const USUAL_DATAGRAM_BYTES = 1_500;

/** UDP buffers, in bytes: the usual 208 KiB overflow while JavaScript is busy. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * First number of a DTLS record with data, above that of any record of the handshake. werift counts anew after its last one
 * (Finished), which already is of the new epoch, so that one later record has the same number: others then drop it as
 * repeated (RFC 6347, 4.1.2.6), which costs a second, and two records share a nonce, which AES-GCM does not forgive.
 */
const FIRST_DATA_RECORD = 1_000;

/**
 * A candidate whose address a browser hides behind a name of multicast DNS (RFC 8828): werift asks for it and waits 10 s, while
 * nobody answers beyond the peer's own network. The path is found all the same, by the peer's checks of our addresses.
 */
const HIDDEN_ADDRESS = /^(candidate:)?(\S+ ){4}\S+\.local /;

/** Longest wait for a STUN server while gathering, in seconds: werift begins to connect only when gathering has ended. */
const STUN_GATHER_S = 2;

/** The WebRTC stack in pure TypeScript, which works everywhere. */
export const weriftEngine: Engine = createWeriftEngine();

/**
 * werift with a certificate of one's own. Without one all connections of a process share one that werift makes.
 * @param tune for tests
 */
export function createWeriftEngine(certificate: Partial<Pick<PeerConfig, 'dtls'>> = {}, tune = tuneConnection): Engine {
  return {
    name: 'werift',
    createConnection: (options, handlers) => new WeriftConnection(options, handlers, { certificate, tune }),
  };
}

class WeriftConnection implements EngineConnection {
  readonly #peer: RTCPeerConnection;
  readonly #handlers: EngineConnectionHandlers;
  readonly #hasStun: boolean;
  #peerTakesLargeDatagrams = false;
  #hidesAddresses = false;
  readonly #tune: typeof tuneConnection;
  readonly #datagramLimitBytes = readDatagramLimit(process.env);
  #tuned: TunedConnection | undefined;

  constructor(
    { iceServers, iceTransportPolicy }: EngineOptions,
    handlers: EngineConnectionHandlers,
    { certificate, tune }: { certificate: Partial<Pick<PeerConfig, 'dtls'>>; tune: typeof tuneConnection },
  ) {
    this.#tune = tune;
    this.#handlers = handlers;
    this.#hasStun = iceServers.some((server) => server.urls.some((url) => url.startsWith('stun:')));
    const loopback = loopbackIfAlone();
    this.#peer = new RTCPeerConnection({
      iceServers: iceServers.map(toWerift),
      iceTransportPolicy,
      iceStunGatherTimeout: STUN_GATHER_S,
      sctp: { mtu: SCTP_MTU_BYTES },
      ...certificate,
      ...(loopback !== undefined && { iceAdditionalHostAddresses: [loopback] }),
    });
    this.#peer.onIceCandidate.subscribe((candidate) => {
      handlers.candidate(
        candidate === undefined
          ? null
          : {
              candidate: candidate.candidate ?? '',
              sdpMid: candidate.sdpMid ?? null,
              sdpMLineIndex: candidate.sdpMLineIndex ?? null,
            },
      );
    });
    this.#peer.onDataChannel.subscribe((channel) => handlers.channel(new WeriftChannel(channel)));
    this.#peer.connectionStateChange.subscribe((state) => {
      if (state === 'connected') this.#fitToPath();
      if (state === 'failed') handlers.failed();
    });
  }

  async createOffer(): Promise<string> {
    const offer = await this.#peer.createOffer();
    this.#setLocal(offer);
    return announced(offer.sdp);
  }

  async acceptOffer(sdp: string): Promise<string> {
    this.#peerTakesLargeDatagrams = sdp.includes(LARGE_DATAGRAMS);
    await this.#peer.setRemoteDescription({ type: 'offer', sdp });
    const answer = await this.#peer.createAnswer();
    this.#setLocal(answer);
    return announced(answer.sdp);
  }

  acceptAnswer(sdp: string): Promise<void> {
    this.#peerTakesLargeDatagrams = sdp.includes(LARGE_DATAGRAMS);
    return this.#peer.setRemoteDescription({ type: 'answer', sdp });
  }

  async addCandidate(candidate: IceCandidate): Promise<void> {
    if (candidate !== null && HIDDEN_ADDRESS.test(candidate.candidate)) {
      this.#hidesAddresses = true;
      return;
    }
    // Told that there are no more than those it knows, werift would give up before such a check comes.
    if (candidate === null) return this.#hidesAddresses ? undefined : this.#peer.addIceCandidate(null);
    return this.#peer.addIceCandidate({
      candidate: candidate.candidate,
      ...(candidate.sdpMid != null && { sdpMid: candidate.sdpMid }),
      ...(candidate.sdpMLineIndex != null && { sdpMLineIndex: candidate.sdpMLineIndex }),
    });
  }

  createChannel(label: string, options: { negotiatedId?: number } = {}): EngineChannel {
    const { negotiatedId } = options;
    const channel = this.#peer.createDataChannel(
      label,
      negotiatedId === undefined ? {} : { negotiated: true, id: negotiatedId },
    );
    this.#tuned ??= this.#tune(this.#peer);
    return new WeriftChannel(channel);
  }

  path(): EnginePath | undefined {
    const pair = this.#peer.iceTransports[0]?.connection.nominated;
    if (pair === undefined) return undefined;
    const { localCandidate, remoteCandidate } = pair;
    return {
      localType: localCandidate.type,
      remoteType: remoteCandidate.type,
      remoteAddress: remoteCandidate.host,
      remotePort: remoteCandidate.port,
    };
  }

  async close(): Promise<void> {
    const transports = this.#peer.dtlsTransports;
    this.#tuned?.stop();
    await this.#peer.close();
    // werift goes on repeating an unanswered handshake, which keeps the process alive for half a minute. A flight past the
    // last one ends that; a handshake that has not begun refuses to begin where it seems to be in flight 1.
    for (const { dtls } of transports) {
      if (dtls !== undefined) dtls.dtls.flight = dtls.dtls.flight === 0 ? 1 : Number.MAX_SAFE_INTEGER;
    }
  }

  /** Fits the socket and the packets to the path that was found, as far as the system lets us. */
  #fitToPath(): void {
    const protocol = this.#peer.iceTransports[0]?.connection.nominated?.protocol;
    if (protocol instanceof StunProtocol) {
      enlargeBuffers(protocol.transport.socket);
      // Without a listener a datagram that the system refuses, for a network that has gone, ends the process.
      protocol.transport.socket.on('error', () => undefined);
    }
    this.#tuned?.connected({
      peerIsTuned: this.#peerTakesLargeDatagrams,
      limitBytes: this.#peerTakesLargeDatagrams
        ? this.#datagramLimitBytes
        : Math.min(this.#datagramLimitBytes, USUAL_DATAGRAM_BYTES),
    });
  }

  /** Not awaited: it ends only when gathering has, while candidates are passed on as they come. */
  #setLocal(description: RTCSessionDescription): void {
    // Without a configured STUN server werift asks a public one of Google's, which costs seconds and tells it of us.
    if (!this.#hasStun) for (const transport of this.#peer.iceTransports) delete transport.connection.stunServer;
    for (const transport of this.#peer.dtlsTransports) {
      steadyHandshake(transport);
      transport.onStateChange.subscribe((state) => {
        if (state === 'connected' && transport.dtls !== undefined) {
          transport.dtls.dtls.recordSequenceNumber = FIRST_DATA_RECORD;
        }
      });
    }
    this.#peer.setLocalDescription(description).catch(() => this.#handlers.failed());
  }
}

class WeriftChannel implements EngineChannel {
  readonly #channel: RTCDataChannel;

  constructor(channel: RTCDataChannel) {
    this.#channel = channel;
    channel.bufferedAmountLowThreshold = SEND_BUFFER_BYTES / 2;
  }

  get label(): string {
    return this.#channel.label;
  }

  get isOpen(): boolean {
    return this.#channel.readyState === 'open';
  }

  get bufferedBytes(): number {
    return this.#channel.bufferedAmount;
  }

  listen(handlers: EngineChannelHandlers): void {
    this.#channel.stateChanged.subscribe((state) => {
      if (state === 'open') handlers.open();
      if (state === 'closed') handlers.closed();
    });
    this.#channel.onMessage.subscribe((data) => handlers.message(data));
    this.#channel.bufferedAmountLow.subscribe(() => handlers.drained());
  }

  send(data: string | Uint8Array): void {
    this.#channel.send(typeof data === 'string' ? data : Buffer.from(data));
  }

  close(): void {
    this.#channel.close();
  }
}

function toWerift({ urls, username, credential }: IceServer): RTCIceServer {
  return { urls, ...(username !== undefined && { username }), ...(credential !== undefined && { credential }) };
}

function announced(sdp: string): string {
  return `${sdp}${LARGE_DATAGRAMS}\r\n`;
}

function enlargeBuffers(socket: Socket): void {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch {
    // Some systems refuse more than they allow in place of giving what they allow.
  }
}
