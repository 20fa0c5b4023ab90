import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import type { Engine, EngineChannel, EngineConnection, IceCandidate } from './engine.ts';
import { libdatachannelEngine } from './libdatachannel-engine.ts';
import { createWeriftEngine } from './werift-engine.ts';

const MESSAGE_BYTES = 65_536;
const MESSAGES = 64;

const tuned = createWeriftEngine();
const plain = createWeriftEngine({}, () => undefined);

describe('werift, tuned and as it comes', () => {
  const connections: EngineConnection[] = [];

  afterEach(() => Promise.all(connections.splice(0).map((connection) => connection.close())));

  for (const [name, offerer, answerer] of [
    ['tuned to plain', tuned, plain],
    ['plain to tuned', plain, tuned],
    ['tuned to tuned', tuned, tuned],
  ] as const) {
    it(`exchange messages both ways at once: ${name}`, () => exchange(offerer, answerer));
  }

  it('exchange them with libdatachannel too', async function () {
    const native = await libdatachannelEngine();
    if (native === undefined) return this.skip();
    await exchange(tuned, native);
    await exchange(native, tuned);
  });

  async function exchange(offerer: Engine, answerer: Engine): Promise<void> {
    const message = randomBytes(MESSAGE_BYTES);
    const sent = createHash('sha256');
    for (let count = 0; count < MESSAGES; count += 1) sent.update(message);
    const expected = sent.digest('hex');
    const [one, other] = connect(offerer, answerer);
    const [atOne, atOther] = await Promise.all([pour(one, message), pour(other, message)]);
    assert.equal(atOne, expected);
    assert.equal(atOther, expected);
  }

  /** A channel between two connections that hand each other descriptions and candidates. */
  function connect(offerer: Engine, answerer: Engine): [EngineChannel, EngineChannel] {
    const early: IceCandidate[] = [];
    let add = (candidate: IceCandidate): unknown => early.push(candidate);
    const ignore = { channel: () => undefined, failed: () => undefined };
    const options = { iceServers: [], iceTransportPolicy: 'all' } as const;
    const answering = answerer.createConnection(options, {
      ...ignore,
      candidate: (candidate) => void offering.addCandidate(candidate),
    });
    const offering = offerer.createConnection(options, { ...ignore, candidate: (candidate) => add(candidate) });
    connections.push(offering, answering);
    const channels: [EngineChannel, EngineChannel] = [
      offering.createChannel('data', { negotiatedId: 100 }),
      answering.createChannel('data', { negotiatedId: 100 }),
    ];
    void (async () => {
      const answer = await answering.acceptOffer(await offering.createOffer());
      await offering.acceptAnswer(answer);
      add = (candidate) => answering.addCandidate(candidate);
      for (const candidate of early) await answering.addCandidate(candidate);
    })();
    return channels;
  }

  /** Sends messages once the channel is open, and gives the hash of as many that came. */
  function pour(channel: EngineChannel, message: Buffer): Promise<string> {
    const received = createHash('sha256');
    const all = Promise.withResolvers<string>();
    let count = 0;
    channel.listen({
      open() {
        for (let sent = 0; sent < MESSAGES; sent += 1) channel.send(message);
      },
      message(data) {
        received.update(data);
        count += 1;
        if (count === MESSAGES) all.resolve(received.digest('hex'));
      },
      drained() {},
      closed: () => all.reject(new Error('closed')),
    });
    return all.promise;
  }
});
