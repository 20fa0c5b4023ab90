import assert from 'node:assert/strict';
import type { EngineConnection, EngineConnectionHandlers, IceCandidate } from '../engine.ts';
import { libdatachannelEngine } from './libdatachannel-engine.ts';

describe('the engine on libdatachannel', () => {
  const connections: EngineConnection[] = [];
  let create: (handlers: Partial<EngineConnectionHandlers>) => EngineConnection;

  before(async function () {
    const engine = await libdatachannelEngine();
    // If the optional package has no binary, werift is used and there is nothing to test.
    if (engine === undefined) return this.skip();
    create = (handlers) => {
      const none = { candidate: () => undefined, channel: () => undefined, failed: () => undefined };
      const options = { iceServers: [], iceTransportPolicy: 'all' } as const;
      const connection = engine.createConnection(options, { ...none, ...handlers });
      connections.push(connection);
      connection.createChannel('control', { negotiatedId: 100 });
      return connection;
    };
  });
  afterEach(() => Promise.all(connections.splice(0).map((connection) => connection.close())));

  /** A connection with the candidates that it has sent so far. */
  function gathering() {
    const told: IceCandidate[] = [];
    const end = Promise.withResolvers<void>();
    const connection = create({
      candidate: (candidate) => {
        told.push(candidate);
        if (candidate === null) end.resolve();
      },
    });
    return { connection, told, end: end.promise };
  }

  it('sends its candidates one by one, each once, and their end last; as the offerer only after the answer', async () => {
    const offerer = gathering();
    const answerer = gathering();
    const offer = await offerer.connection.createOffer();
    const answer = await answerer.connection.acceptOffer(offer);
    // The answerer began later, so the offerer has found its candidates by then too.
    await answerer.end;
    assert.deepEqual(offerer.told, []);
    await offerer.connection.acceptAnswer(answer);
    await offerer.end;
    for (const sdp of [offer, answer]) {
      assert.match(sdp, /^a=fingerprint:sha-256 /m);
      assert.doesNotMatch(sdp, /candidate/);
    }
    for (const { told } of [offerer, answerer]) {
      const lines = told.map((candidate) => candidate?.candidate);
      assert.ok(lines.length > 1 && lines.slice(0, -1).every((line) => line?.startsWith('candidate:')));
      assert.equal(new Set(lines).size, lines.length);
      assert.equal(told.at(-1), null);
    }
  });

  it('refuses an invalid description or candidate with an error, and the process goes on', async () => {
    const connection = create({});
    await assert.rejects(connection.acceptOffer('nonsense'));
    await assert.rejects(connection.acceptAnswer('v=0\r\n'));
    await assert.rejects(connection.addCandidate({ candidate: 'candidate:nonsense', sdpMid: '0' }));
  });

  it('can be closed at any time, and twice', async () => {
    const connection = create({});
    const channel = connection.createChannel('data');
    channel.listen({ open() {}, message() {}, drained() {}, closed() {} });
    channel.close();
    channel.send('late');
    channel.close();
    await connection.close();
    await connection.close();
    await connection.addCandidate({ candidate: 'candidate:1 1 UDP 1 192.0.2.1 9 typ host' });
    assert.equal(channel.isOpen, false);
  });

  it('makes an error that a handler throws an uncaught exception with its own message', async () => {
    const uncaught = Promise.withResolvers<Error>();
    const others = process.listeners('uncaughtException');
    process.removeAllListeners('uncaughtException');
    process.once('uncaughtException', uncaught.resolve);
    try {
      const connection = create({
        candidate: (candidate) => {
          if (candidate === null) throw new Error('thrown by the handler');
        },
      });
      await connection.acceptOffer(await create({}).createOffer());
      assert.equal((await uncaught.promise).message, 'thrown by the handler');
    } finally {
      for (const listener of others) process.on('uncaughtException', listener);
    }
  });
});
