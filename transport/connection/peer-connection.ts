import { SleapRtcError } from '../../protocol/errors.ts';
import type { RoomKey } from '../../protocol/room-key.ts';
import type { ConnectionPurpose, IceServer } from '../../protocol/signaling.ts';
import { within } from '../async/abort.ts';
import { Liveness } from '../async/liveness.ts';
import { MessageQueue } from '../async/message-queue.ts';
import type { Engine, EngineChannel, EngineConnection, IceCandidate } from '../engines/engine.ts';
import type { IceTransportPolicy } from '../ice/ice-transport-policy.ts';
import { isRelayAt } from '../ice/relay-candidate.ts';
import { FingerprintPin } from '../proof/fingerprint.ts';
import type { OfBoth, Side } from '../proof/peer-proof.ts';
import { ProofExchange } from '../proof/proof-exchange.ts';
import type { DataChannel, PeerConnection, Route } from './connection.ts';
import {
  CHANNEL_OPEN_MS,
  DEFAULT_MAX_MESSAGE_BYTES,
  GOODBYE_MS,
  HEARTBEAT_INTERVAL_MS,
  MAX_INCOMING_CHANNELS,
  MAX_REMEMBERED_CANDIDATES,
  PEER_SILENCE_MS,
} from './limits.ts';
import { maxMessageBytes } from './message-size.ts';
import { PeerChannel } from './peer-channel.ts';

/** Both sides make this channel themselves (RFC 8832's out-of-band negotiation); it carries proofs, beats and the goodbye. */
const CONTROL_CHANNEL = { label: 'sleap-rtc-control', negotiatedId: 100 };
const BEAT = 'beat';
const BYE = 'bye';

/** What is known of a connection before it is made. */
export interface NegotiatedPeer {
  localPeerId: string;
  remotePeerId: string;
  /** Which of the two we are. */
  side: Side;
  connectionId: string;
  /** With which the peers prove themselves before any channel can be used. */
  roomKey: RoomKey;
  purpose: ConnectionPurpose;
  iceServers: readonly IceServer[];
  iceTransportPolicy: IceTransportPolicy;
  /** Passes one of our candidates to the peer. */
  onCandidate: (candidate: IceCandidate) => void;
}

/** A PeerConnection on whatever WebRTC stack, from its negotiation to its end. Whoever makes it closes it. */
export class NegotiatedConnection implements PeerConnection {
  readonly remotePeerId: string;
  readonly purpose: ConnectionPurpose;
  /**
   * Resolves when both sides have proven themselves and channels can be used. Rejects with PEER_NOT_PROVEN where one of
   * them has not, with PEER_UNREACHABLE where the connection ends before for another reason.
   */
  readonly ready: Promise<void>;
  readonly closed: Promise<void>;
  readonly #connection: EngineConnection;
  readonly #control: EngineChannel;
  readonly #localPeerId: string;
  readonly #localPin = new FingerprintPin();
  readonly #pin = new FingerprintPin();
  readonly #proof: ProofExchange;
  readonly #channels = new Set<PeerChannel>();
  readonly #incoming = new MessageQueue<PeerChannel>();
  readonly #connecting = Promise.withResolvers<void>();
  readonly #ending = Promise.withResolvers<void>();
  readonly #goodbye = Promise.withResolvers<void>();
  #earlyCandidates: IceCandidate[] | undefined = [];
  readonly #relayOnly: boolean;
  /** Every candidate of the peer’s, to know its relays by. */
  readonly #remoteCandidates: string[] = [];
  #maxMessageBytes = DEFAULT_MAX_MESSAGE_BYTES;
  #liveness: Liveness | undefined;
  #ended = false;
  #closing: Promise<void> | undefined;

  constructor(engine: Engine, peer: NegotiatedPeer) {
    const { remotePeerId, localPeerId, purpose } = peer;
    this.#localPeerId = localPeerId;
    this.remotePeerId = remotePeerId;
    this.purpose = purpose;
    this.#relayOnly = peer.iceTransportPolicy === 'relay';
    this.ready = this.#connecting.promise;
    this.ready.catch(() => undefined);
    this.closed = this.#ending.promise;
    this.#connection = engine.createConnection(
      { iceServers: peer.iceServers, iceTransportPolicy: peer.iceTransportPolicy },
      {
        candidate: (candidate) => peer.onCandidate(candidate),
        channel: (channel) => this.#takeChannel(channel),
        failed: () => this.#gone('the network path broke'),
      },
    );
    const { label, negotiatedId } = CONTROL_CHANNEL;
    this.#control = this.#connection.createChannel(label, { negotiatedId });
    this.#control.listen({
      open: () => this.#opened(),
      message: (message) => this.#heardControl(message),
      drained: () => undefined,
      closed: () => this.#gone('it was cut off'),
    });
    const ofBoth = <Value>(local: Value, remote: Value): OfBoth<Value> =>
      peer.side === 'offerer' ? { offerer: local, answerer: remote } : { offerer: remote, answerer: local };
    this.#proof = new ProofExchange({
      roomKey: peer.roomKey,
      side: peer.side,
      transcript: () => ({
        connectionId: peer.connectionId,
        purpose,
        peerIds: ofBoth(localPeerId, remotePeerId),
        fingerprints: ofBoth(this.#localPin.pinned, this.#pin.pinned),
      }),
      send: (message) => this.#control.send(message),
      onProven: () => this.#connecting.resolve(),
      onRefused: () => this.#notProven(),
    });
  }

  get route(): Route | undefined {
    const path = this.#connection.path();
    if (path === undefined) return undefined;
    // A relay whose packets come before its candidate does looks like any other address that was not announced; where only
    // relays are allowed it is one.
    const { localType, remoteType, remoteAddress, remotePort } = path;
    const throughRelay =
      this.#relayOnly ||
      localType === 'relay' ||
      remoteType === 'relay' ||
      this.#remoteCandidates.some((candidate) => isRelayAt(candidate, remoteAddress, remotePort));
    return throughRelay ? 'relay' : 'direct';
  }

  /** The description to offer. */
  async offer(): Promise<string> {
    const offer = await this.#connection.createOffer();
    this.#localPin.check(offer);
    return offer;
  }

  /** Takes the peer's offer and gives the description to answer with. */
  async answer(sdp: string): Promise<string> {
    this.#pin.check(sdp);
    this.#maxMessageBytes = maxMessageBytes(sdp);
    const answer = await this.#connection.acceptOffer(sdp).catch((cause: unknown) => this.#refuseDescription(cause));
    this.#localPin.check(answer);
    await this.#addEarlyCandidates();
    return answer;
  }

  /** Takes the peer's answer. */
  async acceptAnswer(sdp: string): Promise<void> {
    this.#pin.check(sdp);
    this.#maxMessageBytes = maxMessageBytes(sdp);
    await this.#connection.acceptAnswer(sdp).catch((cause: unknown) => this.#refuseDescription(cause));
    await this.#addEarlyCandidates();
  }

  /** Takes a candidate of the peer's; one that comes before its description waits for it. */
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
        timeoutMs: CHANNEL_OPEN_MS,
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (!this.#ended) {
      await Promise.all([...this.#channels].map((channel) => channel.close()));
      if (this.#control.isOpen) {
        this.#control.send(BYE);
        await within(this.#goodbye.promise, { timeoutMs: GOODBYE_MS }).catch(() => undefined);
      }
    }
    this.#end(undefined);
    await this.closed;
  }

  #opened(): void {
    this.#liveness = new Liveness({
      intervalMs: HEARTBEAT_INTERVAL_MS,
      silenceMs: PEER_SILENCE_MS,
      beat: () => this.#control.send(BEAT),
      onSilent: () => this.#gone('nothing was heard of it any more'),
    });
    this.#proof.start();
  }

  #heardControl(message: string | Uint8Array): void {
    this.#liveness?.heard();
    if (message === BYE) {
      this.#goodbye.resolve();
      // Answers with our own goodbye, where it was not said yet.
      void this.close();
    } else if (message !== BEAT) {
      this.#proof.hear(message);
    }
  }

  /** What a WebRTC stack throws at a description is the peer's or the server's doing, so another attempt may be better. */
  #refuseDescription(cause: unknown): never {
    throw new SleapRtcError('PEER_UNREACHABLE', `${this.remotePeerId}’s description was refused.`, { cause });
  }

  /** The goodbye follows what the peer was told, so that it hears it. */
  #notProven(): void {
    const peers = `${this.remotePeerId} and ${this.#localPeerId}`;
    this.#connecting.reject(
      new SleapRtcError(
        'PEER_NOT_PROVEN',
        `${peers} could not prove to each other that they have the same room key, so no data was moved.`,
      ),
    );
    void this.close();
  }

  #gone(why: string): void {
    this.#end(this.#closing === undefined ? this.#peerGone(why) : undefined);
  }

  #end(error: SleapRtcError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#liveness?.[Symbol.dispose]();
    this.#proof[Symbol.dispose]();
    for (const channel of [...this.#channels]) channel.end(error);
    this.#incoming.end(error);
    this.#goodbye.resolve();
    this.#connecting.reject(
      new SleapRtcError('PEER_UNREACHABLE', `No connection to ${this.remotePeerId} came about.`, { cause: error }),
    );
    this.#connection.close().then(this.#ending.resolve, () => this.#ending.resolve());
  }

  #track(engineChannel: EngineChannel): PeerChannel {
    const channel = new PeerChannel(engineChannel, this.#maxMessageBytes, () => this.#liveness?.heard());
    this.#channels.add(channel);
    void channel.closed.then(() => this.#channels.delete(channel));
    return channel;
  }

  #takeChannel(engineChannel: EngineChannel): void {
    // An honest peer opens none before it knows that we believe it.
    if (!this.#proof.peerIsProven) this.#proof.refuse();
    if (!this.#proof.peerIsProven || this.#ended || this.#channels.size >= MAX_INCOMING_CHANNELS) engineChannel.close();
    else this.#incoming.push(this.#track(engineChannel));
  }

  /**
   * One that comes meanwhile queues behind the others: the end of candidates must not overtake any, or ICE gives up. One that
   * the stack can't use is one path less, no more.
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
