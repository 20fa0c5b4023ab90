import { SleapRtcError } from '../../protocol/errors.ts';
import type { RoomKey } from '../../protocol/room-key.ts';
import type { ConnectionPurpose, IceServer } from '../../protocol/wire/signaling.ts';
import { MessageQueue } from '../async/message-queue.ts';
import { within } from '../async/within.ts';
import type { Engine, EngineChannel, EngineConnection, IceCandidate } from '../engines/engine.ts';
import type { IceTransportPolicy } from '../ice/ice-transport-policy.ts';
import { isRelayAt } from '../ice/relay-candidate.ts';
import { FingerprintPin } from '../proof/fingerprint.ts';
import type { OfBoth, ProofTranscript, Side } from '../proof/peer-proof.ts';
import type { DataChannel, PeerConnection, Route } from './connection.ts';
import { ControlChannel } from './control-channel.ts';
import {
  CHANNEL_OPEN_TIMEOUT_MS,
  DEFAULT_MAX_MESSAGE_BYTES,
  MAX_INCOMING_CHANNELS,
  MAX_REMEMBERED_CANDIDATES,
} from './limits.ts';
import { maxMessageBytes } from './message-size.ts';
import { PeerChannel } from './peer-channel.ts';

/** What is known of a connection before it is made. */
export interface NegotiatedPeer {
  localPeerId: string;
  remotePeerId: string;
  /** This peer's side. */
  side: Side;
  connectionId: string;
  /** The key that the peers prove to have before any channel can be used. */
  roomKey: RoomKey;
  purpose: ConnectionPurpose;
  iceServers: readonly IceServer[];
  iceTransportPolicy: IceTransportPolicy;
  /** Sends one of our candidates to the peer. */
  onCandidate: (candidate: IceCandidate) => void;
}

/** A PeerConnection on any WebRTC stack, from its negotiation to its end. The caller closes it. */
export class NegotiatedConnection implements PeerConnection {
  readonly remotePeerId: string;
  readonly purpose: ConnectionPurpose;
  /**
   * Resolves when both sides have proven that they have the room's key, and channels can be used. Rejects with PEER_NOT_PROVEN if
   * one side has not, and with PEER_UNREACHABLE if the connection ends earlier for another reason.
   */
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  readonly #peer: NegotiatedPeer;
  readonly #connection: EngineConnection;
  readonly #control: ControlChannel;
  readonly #localPin = new FingerprintPin();
  readonly #remotePin = new FingerprintPin();
  readonly #channels = new Set<PeerChannel>();
  readonly #incoming = new MessageQueue<PeerChannel>();
  readonly #connecting = Promise.withResolvers<void>();
  readonly #ending = Promise.withResolvers<void>();
  /** Candidates that arrived before their description. Undefined once the WebRTC stack has got them. */
  #earlyCandidates: IceCandidate[] | undefined = [];
  /** All candidates of the peer, to recognize its relays. */
  readonly #remoteCandidates: string[] = [];
  #maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES;
  #ended = false;
  #closing: Promise<void> | undefined;

  constructor(engine: Engine, peer: NegotiatedPeer) {
    const { remotePeerId, purpose, iceServers, iceTransportPolicy } = peer;
    this.#peer = peer;
    this.remotePeerId = remotePeerId;
    this.purpose = purpose;
    this.ready = this.#connecting.promise;
    this.ready.catch(() => undefined);
    this.closed = this.#ending.promise;
    this.#connection = engine.createConnection(
      { iceServers, iceTransportPolicy },
      {
        candidate: (candidate) => peer.onCandidate(candidate),
        channel: (channel) => this.#takeChannel(channel),
        failed: () => this.#lost('the network path broke'),
      },
    );
    this.#control = new ControlChannel(this.#connection, {
      roomKey: peer.roomKey,
      side: peer.side,
      transcript: () => this.#transcript(),
      onProven: () => this.#connecting.resolve(),
      onRefused: () => this.#notProven(),
      // Closing answers with our goodbye, unless it was sent already.
      onBye: () => void this.close(),
      onLost: (why) => this.#lost(why),
    });
  }

  get route(): Route | undefined {
    const path = this.#connection.path();
    if (path === undefined) return undefined;
    // A relay whose packets arrive before its candidate looks like an address that was not announced. If only relays are
    // allowed, it is a relay.
    const { localType, remoteType, remoteAddress, remotePort } = path;
    const isRelayed =
      this.#peer.iceTransportPolicy === 'relay' ||
      localType === 'relay' ||
      remoteType === 'relay' ||
      this.#remoteCandidates.some((candidate) => isRelayAt(candidate, remoteAddress, remotePort));
    return isRelayed ? 'relay' : 'direct';
  }

  /** Makes the description to offer. */
  async offer(): Promise<string> {
    const offer = await this.#connection.createOffer();
    this.#localPin.check(offer);
    return offer;
  }

  /** Accepts the peer's offer and makes the description to answer with. */
  async answer(sdp: string): Promise<string> {
    this.#remotePin.check(sdp);
    this.#maxMessageBytes = maxMessageBytes(sdp);
    const answer = await this.#connection.acceptOffer(sdp).catch((cause: unknown) => this.#refuseDescription(cause));
    this.#localPin.check(answer);
    await this.#addEarlyCandidates();
    return answer;
  }

  /** Accepts the peer's answer. */
  async acceptAnswer(sdp: string): Promise<void> {
    this.#remotePin.check(sdp);
    this.#maxMessageBytes = maxMessageBytes(sdp);
    await this.#connection.acceptAnswer(sdp).catch((cause: unknown) => this.#refuseDescription(cause));
    await this.#addEarlyCandidates();
  }

  /** Adds a candidate of the peer. If it arrives before the peer's description, it waits for it. */
  async addCandidate(candidate: IceCandidate): Promise<void> {
    if (candidate !== null && this.#remoteCandidates.length < MAX_REMEMBERED_CANDIDATES) {
      this.#remoteCandidates.push(candidate.candidate);
    }
    if (this.#earlyCandidates !== undefined) this.#earlyCandidates.push(candidate);
    else if (!this.#ended) await this.#connection.addCandidate(candidate);
  }

  async openChannel(label: string, options: { signal?: AbortSignal } = {}): Promise<DataChannel> {
    if (this.#ended || this.#closing !== undefined) throw this.#peerGone('the connection is closed');
    const channel = this.#track(this.#connection.createChannel(label));
    try {
      await within(channel.opened, {
        signal: options.signal,
        timeoutMs: CHANNEL_OPEN_TIMEOUT_MS,
        onTimeout: () => this.#peerGone(`the channel ${label} did not open`),
      });
      return channel;
    } catch (error) {
      channel.end();
      throw error;
    }
  }

  async acceptChannel(options: { signal?: AbortSignal } = {}): Promise<DataChannel> {
    const next = await this.#incoming.next(options);
    if (next.done === true) throw this.#peerGone('the connection is closed');
    return next.value;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (!this.#ended) {
      await Promise.all([...this.#channels].map((channel) => channel.close()));
      await this.#control.sayBye();
    }
    this.#end(undefined);
    await this.closed;
  }

  #transcript(): Omit<ProofTranscript, 'nonces'> {
    const { side, connectionId, purpose, localPeerId, remotePeerId } = this.#peer;
    const ofBoth = <Value>(local: Value, remote: Value): OfBoth<Value> =>
      side === 'offerer' ? { offerer: local, answerer: remote } : { offerer: remote, answerer: local };
    return {
      connectionId,
      purpose,
      peerIds: ofBoth(localPeerId, remotePeerId),
      fingerprints: ofBoth(this.#localPin.pinned, this.#remotePin.pinned),
    };
  }

  /** If a WebRTC stack throws because of a description, the peer or the server is the cause, so another attempt may succeed. */
  #refuseDescription(cause: unknown): never {
    throw new SleapRtcError('PEER_UNREACHABLE', `${this.remotePeerId}’s description was refused.`, { cause });
  }

  /** The connection says goodbye after the refusal, so that the peer gets both. */
  #notProven(): void {
    const peers = `${this.remotePeerId} and ${this.#peer.localPeerId}`;
    this.#connecting.reject(
      new SleapRtcError(
        'PEER_NOT_PROVEN',
        `${peers} could not prove to each other that they have the same room key, so no data was moved.`,
      ),
    );
    void this.close();
  }

  #lost(why: string): void {
    this.#end(this.#closing === undefined ? this.#peerGone(why) : undefined);
  }

  #end(error: SleapRtcError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#control.stop();
    for (const channel of [...this.#channels]) channel.end(error);
    this.#incoming.end(error);
    this.#connecting.reject(
      new SleapRtcError('PEER_UNREACHABLE', `${this.remotePeerId} could not be reached.`, { cause: error }),
    );
    this.#connection.close().then(this.#ending.resolve, () => this.#ending.resolve());
  }

  #track(engineChannel: EngineChannel): PeerChannel {
    const channel = new PeerChannel(engineChannel, this.#maxMessageBytes, () => this.#control.peerLives());
    this.#channels.add(channel);
    void channel.closed.then(() => this.#channels.delete(channel));
    return channel;
  }

  #takeChannel(engineChannel: EngineChannel): void {
    // An honest peer opens no channel before it knows that we trust it.
    if (!this.#control.peerIsProven) this.#control.refuse();
    const isWelcome = this.#control.peerIsProven && !this.#ended && this.#channels.size < MAX_INCOMING_CHANNELS;
    if (isWelcome) this.#incoming.push(this.#track(engineChannel));
    else engineChannel.close();
  }

  /**
   * A candidate that arrives meanwhile is added after the others: if the end of candidates came before one of them, ICE would give
   * up. If the stack cannot use a candidate, there is one path less.
   */
  async #addEarlyCandidates(): Promise<void> {
    const early = this.#earlyCandidates ?? [];
    for (let next = early.shift(); next !== undefined && !this.#ended; next = early.shift()) {
      await this.#connection.addCandidate(next).catch(() => undefined);
    }
    this.#earlyCandidates = undefined;
  }

  #peerGone(why: string): SleapRtcError {
    return new SleapRtcError('PEER_GONE', `The connection to ${this.remotePeerId} ended: ${why}.`);
  }
}
