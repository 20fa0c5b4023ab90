import assert from 'node:assert/strict';
import { Publisher, Subscriber } from 'zeromq';
import { parseTrainingEvent, type TrainingEvent, ZmqBridge } from './zmq-bridge.ts';

describe('ZMQ bridge', () => {
  it('reads what sleap-nn sends, NaN included', () => {
    const text =
      '{"what": "", "event": "epoch_end", "logs": {"val/loss": NaN, "loss": 0.25, "lr": -Infinity}, "epoch": 3}';
    assert.deepEqual(parseTrainingEvent(text), {
      event: 'epoch_end',
      epoch: 3,
      logs: { 'val/loss': null, loss: 0.25, lr: null },
    });
  });

  it('ignores what is not an event', () => {
    for (const text of ['', 'NaN', '[]', '{"event": 3}', '{"what": '])
      assert.equal(parseTrainingEvent(text), undefined);
    assert.equal(parseTrainingEvent('{"event":"new_one","logs":"text"}')?.event, 'new_one');
  });

  it('receives events from a trainer that connects as sleap-nn does, and sends it the stop command', async () => {
    const arrived = Promise.withResolvers<TrainingEvent>();
    const bridge = await ZmqBridge.open((event) => arrived.resolve(event));
    const trainer = new Publisher({ linger: 0 });
    const control = new Subscriber({ linger: 0 });
    let timer: NodeJS.Timeout | undefined;
    try {
      trainer.connect(`tcp://127.0.0.1:${bridge.publishPort}`);
      control.connect(`tcp://127.0.0.1:${bridge.controllerPort}`);
      control.subscribe('');
      // A publisher drops what it sends before it is connected: send it until it is received.
      timer = setInterval(() => {
        void trainer.send('{"what":"","event":"train_begin","logs":null}');
        void bridge.stop();
      }, 20);
      assert.equal((await arrived.promise).event, 'train_begin');
      const [command] = await control.receive();
      assert.deepEqual(JSON.parse(String(command)), { command: 'stop' });
    } finally {
      clearInterval(timer);
      trainer.close();
      control.close();
      await bridge.close();
    }
  });

  it('has ports of its own, so that two trainings do not mix', async () => {
    const [a, b] = [await ZmqBridge.open(() => {}), await ZmqBridge.open(() => {})];
    assert.equal(new Set([a.publishPort, a.controllerPort, b.publishPort, b.controllerPort]).size, 4);
    await a.close();
    await b.close();
  });
});
