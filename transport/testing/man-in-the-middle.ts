import { createSelfSignedCertificate, HashAlgorithm, NamedCurveAlgorithm, SignatureAlgorithm } from 'werift';
import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import type { Engine, EngineChannel, EngineConnection } from '../engines/engine.ts';
import { createWeriftEngine } from '../engines/werift/werift-engine.ts';
import type { TestSignaling } from './test-signaling.ts';

const WORKER = 'worker-1';
const CLIENT = 'client-1';

type Message = string | Uint8Array;
type Negotiation = Extract<ServerMessage, { type: 'offer' | 'answer' | 'candidate' }>;

/** The attacker's connection to one peer, and its control channel. */
interface Leg {
  connection: EngineConnection;
  control: EngineChannel;
  /** Messages that wait for the control channel to open. */
  unsent: Message[];
  /** Resolves when the peer's description was accepted. Candidates wait for it. */
  described: PromiseWithResolvers<void>;
  /** Adding the peer's candidates, one after the other. */
  candidates: Promise<void>;
}

/**
 * A signaling server that stands between `worker-1` and `client-1`. It has a connection to each, with its own certificate, and joins
 * the two connections, so that it reads everything.
 */
export class ManInTheMiddle implements AsyncDisposable {
  /** What the peers sent on the control channels. */
  readonly received: { from: string; message: Message }[] = [];
  /** Labels of the other channels that a peer opened. */
  readonly opened: string[] = [];
  /** Gets what the worker sends, and returns what the worker receives. By default the two connections are joined. */
  answerWorker: ((message: Message) => Message[]) | undefined;
  readonly #signaling: TestSignaling;
  readonly #engine: Engine;
  readonly #legs = new Map<string, Leg>();

  private constructor(signaling: TestSignaling, engine: Engine) {
    this.#signaling = signaling;
    this.#engine = engine;
    signaling.intercept = (message) => {
      if (message.type !== 'offer' && message.type !== 'answer' && message.type !== 'candidate') return message;
      this.#take(message);
      return undefined;
    };
  }

  /** Negotiates with both peers in the place of the other. */
  static async on(signaling: TestSignaling): Promise<ManInTheMiddle> {
    const keys = await createSelfSignedCertificate(
      { signature: SignatureAlgorithm.ecdsa_3, hash: HashAlgorithm.sha256_4 },
      NamedCurveAlgorithm.secp256r1_23,
    );
    return new ManInTheMiddle(signaling, createWeriftEngine({ dtls: { keys } }));
  }

  /** Opens a channel to a peer that it is connected to. */
  openChannelTo(peerId: string): void {
    this.#legs.get(peerId)?.connection.createChannel('dataset');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#legs.values()].map(({ connection }) => connection.close()));
  }

  #take(message: Negotiation): void {
    if (message.type === 'offer') {
      void this.#answer(this.#leg(WORKER, message.connection_id), message);
      void this.#offer(this.#leg(CLIENT, message.connection_id), message);
      return;
    }
    const leg = this.#legs.get(message.sender);
    if (leg === undefined) return;
    if (message.type === 'answer') void leg.connection.acceptAnswer(message.sdp).then(leg.described.resolve);
    else
      leg.candidates = leg.candidates.then(() => leg.connection.addCandidate(message.candidate)).catch(() => undefined);
  }

  async #answer({ connection, described }: Leg, { connection_id, sdp }: Extract<Negotiation, { type: 'offer' }>) {
    const answer = await connection.acceptOffer(sdp);
    described.resolve();
    this.#tell(WORKER, { type: 'answer', sender: CLIENT, target: WORKER, connection_id, sdp: answer });
  }

  async #offer({ connection }: Leg, offer: Extract<Negotiation, { type: 'offer' }>) {
    this.#tell(CLIENT, { ...offer, sdp: await connection.createOffer() });
  }

  #leg(peerId: string, connection_id: string): Leg {
    const other = peerId === WORKER ? CLIENT : WORKER;
    const connection = this.#engine.createConnection(
      { iceServers: [], iceTransportPolicy: 'all' },
      {
        candidate: (candidate) =>
          this.#tell(peerId, { type: 'candidate', sender: other, target: peerId, connection_id, candidate }),
        channel: (channel) => this.opened.push(channel.label),
        failed: () => undefined,
      },
    );
    const control = connection.createChannel('sleap-rtc-control', { negotiatedId: 100 });
    const described = Promise.withResolvers<void>();
    const leg: Leg = { connection, control, unsent: [], described, candidates: described.promise };
    control.listen({
      open: () => {
        for (const message of leg.unsent.splice(0)) control.send(message);
      },
      message: (message) => this.#pass(peerId, other, message),
      drained: () => undefined,
      closed: () => undefined,
    });
    this.#legs.set(peerId, leg);
    return leg;
  }

  #pass(from: string, to: string, message: Message): void {
    this.received.push({ from, message });
    if (this.answerWorker === undefined) this.#say(to, message);
    else if (from === WORKER) for (const answer of this.answerWorker(message)) this.#say(WORKER, answer);
  }

  #say(to: string, message: Message): void {
    const leg = this.#legs.get(to);
    if (leg?.control.isOpen === true) leg.control.send(message);
    else leg?.unsent.push(message);
  }

  #tell(peerId: string, message: Negotiation): void {
    this.#signaling.sendTo(peerId, message);
  }
}
