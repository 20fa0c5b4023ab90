import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { connectEngines } from '../../testing/connect-engines.ts';
import type { Engine, EngineChannel } from '../engine.ts';
import { libdatachannelEngine } from '../libdatachannel/libdatachannel-engine.ts';
import { createWeriftEngine } from './werift-engine.ts';

const MESSAGE_BYTES = 65_536;
const MESSAGES = 64;

const tuned = createWeriftEngine();
const plain = createWeriftEngine({}, () => undefined);

describe('werift, tuned and plain', () => {
  const closing: (() => Promise<void>)[] = [];

  afterEach(() => Promise.all(closing.splice(0).map((close) => close())));

  for (const [name, offerer, answerer] of [
    ['tuned to plain', tuned, plain],
    ['plain to tuned', plain, tuned],
    ['tuned to tuned', tuned, tuned],
  ] as const) {
    it(`exchange messages both ways at once: ${name}`, () => exchange(offerer, answerer));
  }

  it('exchange messages with libdatachannel too', async function () {
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
    const { channels, close } = connectEngines(offerer, answerer);
    closing.push(close);
    const [one, other] = channels;
    const [atOne, atOther] = await Promise.all([pour(one, message), pour(other, message)]);
    assert.equal(atOne, expected);
    assert.equal(atOther, expected);
  }

  /** Sends messages when the channel is open, and returns the hash of the same number of received ones. */
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
