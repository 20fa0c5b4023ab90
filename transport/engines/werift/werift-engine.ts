import type { Socket } from 'node:dgram';
import {
  type PeerConfig,
  type RTCIceServer,
  RTCPeerConnection,
  type RTCSessionDescription,
  StunProtocol,
} from 'werift';
import type { IceServer } from '../../../protocol/wire/signaling.ts';
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
import { readDatagramLimit } from './datagram-limit.ts';
import { type TunedConnection, tuneConnection } from './tuning/index.ts';
import { steadyHandshake } from './tuning/steady-handshake.ts';
import { WeriftChannel } from './werift-channel.ts';

/** SCTP packet size in bytes. With the headers of DTLS, UDP and IPv6 it is below the 1,280 bytes that every path carries. */
const SCTP_MTU_BYTES = 1_191;

/**
 * Tells the peer, at the end of our description, that we accept datagrams of any size. Peers that do not send this line get no large
 * packets, whatever the path carries: libdatachannel drops what is larger than 4 KiB.
 */
const LARGE_DATAGRAMS = 'a=x-sleap-rtc-large-datagrams';

/** Largest IP packet to a peer that does not send that line, in bytes: Ethernet's. */
const USUAL_DATAGRAM_BYTES = 1_500;

/** Size of the UDP buffers, in bytes. The usual 208 KiB overflow while JavaScript is busy. */
const SOCKET_BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * First number of a DTLS record with data, above the number of any record of the handshake. werift starts to count again after the
 * last record of the handshake (Finished), which is in the new epoch already, so a later record has the same number. Peers drop it
 * as a repetition (RFC 6347, 4.1.2.6), which costs a second; and two records share a nonce, which breaks AES-GCM.
 */
const FIRST_DATA_RECORD = 1_000;

/**
 * A candidate whose address a browser hides behind a multicast DNS name (RFC 8828). werift would resolve it and wait 10 s, although
 * nobody outside the peer's network answers. The path is found anyway, when the peer checks our addresses.
 */
const HIDDEN_ADDRESS = /^(candidate:)?(\S+ ){4}\S+\.local /;

/** Longest wait for a STUN server while gathering, in seconds. werift begins to connect only when gathering has ended. */
const STUN_GATHER_TIMEOUT_S = 2;

/** The WebRTC stack in pure TypeScript, which works on every system. */
export const weriftEngine: Engine = createWeriftEngine();

/**
 * Makes an engine of werift. Without a certificate all connections of the process share one that werift makes.
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
  #peerAcceptsLargeDatagrams = false;
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
      iceStunGatherTimeout: STUN_GATHER_TIMEOUT_S,
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
    return withLargeDatagrams(offer.sdp);
  }

  async acceptOffer(sdp: string): Promise<string> {
    this.#peerAcceptsLargeDatagrams = sdp.includes(LARGE_DATAGRAMS);
    await this.#peer.setRemoteDescription({ type: 'offer', sdp });
    const answer = await this.#peer.createAnswer();
    this.#setLocal(answer);
    return withLargeDatagrams(answer.sdp);
  }

  acceptAnswer(sdp: string): Promise<void> {
    this.#peerAcceptsLargeDatagrams = sdp.includes(LARGE_DATAGRAMS);
    return this.#peer.setRemoteDescription({ type: 'answer', sdp });
  }

  async addCandidate(candidate: IceCandidate): Promise<void> {
    if (candidate !== null && HIDDEN_ADDRESS.test(candidate.candidate)) {
      this.#hidesAddresses = true;
      return;
    }
    // If werift got the end of candidates, it would give up before the peer checks our addresses.
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
    // werift repeats an unanswered handshake, which keeps the process alive for half a minute. A flight after the last one ends
    // that. A handshake that has not begun does not begin if it is in flight 1.
    for (const { dtls } of transports) {
      if (dtls !== undefined) dtls.dtls.flight = dtls.dtls.flight === 0 ? 1 : Number.MAX_SAFE_INTEGER;
    }
  }

  /** Adapts the socket and the packets to the path that was found, as far as the system allows. */
  #fitToPath(): void {
    const protocol = this.#peer.iceTransports[0]?.connection.nominated?.protocol;
    if (protocol instanceof StunProtocol) {
      enlargeBuffers(protocol.transport.socket);
      // Without a listener, a datagram that the system refuses because the network is gone would end the process.
      protocol.transport.socket.on('error', () => undefined);
    }
    this.#tuned?.connected({
      peerIsTuned: this.#peerAcceptsLargeDatagrams,
      limitBytes: this.#peerAcceptsLargeDatagrams
        ? this.#datagramLimitBytes
        : Math.min(this.#datagramLimitBytes, USUAL_DATAGRAM_BYTES),
    });
  }

  /** Does not wait, since werift resolves only when gathering has ended, and candidates are sent as they are found. */
  #setLocal(description: RTCSessionDescription): void {
    // If no STUN server is configured, werift uses a public one of Google, which costs seconds and discloses the connection.
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

function toWerift({ urls, username, credential }: IceServer): RTCIceServer {
  return { urls, ...(username !== undefined && { username }), ...(credential !== undefined && { credential }) };
}

function withLargeDatagrams(sdp: string): string {
  return `${sdp}${LARGE_DATAGRAMS}\r\n`;
}

function enlargeBuffers(socket: Socket): void {
  try {
    socket.setRecvBufferSize(SOCKET_BUFFER_BYTES);
    socket.setSendBufferSize(SOCKET_BUFFER_BYTES);
  } catch {
    // Some systems refuse a size above their limit instead of using the limit.
  }
}
