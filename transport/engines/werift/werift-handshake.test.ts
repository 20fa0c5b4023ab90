import assert from 'node:assert/strict';
import { Socket } from 'node:dgram';
import { connectEngines } from '../../testing/connect-engines.ts';
import { createWeriftEngine } from './werift-engine.ts';

/** First bytes of a DTLS handshake's datagrams: change of cipher, handshake (RFC 6347, 4.1). */
const HANDSHAKE_TYPES = [20, 22];
/** A handshake has six datagrams on each side. */
const DATAGRAMS = 6;

describe('a handshake of werift', () => {
  const send = Socket.prototype.send;

  afterEach(() => {
    Socket.prototype.send = send;
  });

  /** Drops the datagram with this index in each socket's handshake. */
  function lose(place: number): void {
    const counts = new WeakMap<Socket, number>();
    Socket.prototype.send = function (this: Socket, ...args: unknown[]) {
      const [datagram] = args;
      if (Buffer.isBuffer(datagram) && HANDSHAKE_TYPES.includes(datagram[0] ?? 0)) {
        const count = (counts.get(this) ?? 0) + 1;
        counts.set(this, count);
        if (count === place) return;
      }
      Reflect.apply(send, this, args);
    };
  }

  for (let place = 1; place <= DATAGRAMS; place += 1) {
    it(`succeeds if datagram ${place} of each side is lost`, async () => {
      lose(place);
      const engine = createWeriftEngine();
      const { channels, close } = connectEngines(engine, engine);
      try {
        const opened = channels.map(
          (channel) =>
            new Promise<void>((resolve) => channel.listen({ open: resolve, message() {}, drained() {}, closed() {} })),
        );
        await Promise.all(opened);
        assert.ok(channels.every(({ isOpen }) => isOpen));
      } finally {
        await close();
      }
    }).timeout(6_000);
  }
});
