import assert from 'node:assert/strict';
import { Socket } from 'node:dgram';
import { join } from '../testing/join.ts';
import { Owned } from '../testing/owned.ts';
import { TestSignaling } from '../testing/test-signaling.ts';
import { acceptPeers } from './accept-peers.ts';
import { connectPeer } from './connect-peer.ts';

/** Content types of DTLS, which distinguish its packets from STUN's on the same socket (RFC 7983). */
const DTLS = { first: 20, last: 63 };

describe('an encrypted packet of werift', () => {
  const owned = new Owned();
  const { send } = Socket.prototype;
  afterEach(() => {
    Socket.prototype.send = send;
    return owned.end();
  });

  it('never has the number of an earlier one, which would make peers drop it and reuse a nonce', async () => {
    const sent = new Map<string, Buffer>();
    const repeated: string[] = [];
    Socket.prototype.send = function (this: Socket, ...args: unknown[]) {
      const [packet] = args;
      const kind = Buffer.isBuffer(packet) ? (packet[0] ?? 0) : 0;
      if (Buffer.isBuffer(packet) && kind >= DTLS.first && kind <= DTLS.last && packet.readUInt16BE(3) > 0) {
        const number = `${this.address().port} ${packet.toString('hex', 3, 11)}`;
        // If the same bytes are sent again, as the last part of the handshake may be, that is no second record.
        if (sent.get(number)?.equals(packet) === false) repeated.push(number);
        sent.set(number, Buffer.from(packet));
      }
      return Reflect.apply(send, this, args);
    };
    const signaling = owned.add(await TestSignaling.start());
    const worker = owned.add(await join(signaling.url, 'worker-1', { webRtc: 'werift' }));
    const client = owned.add(await join(signaling.url, 'client-1', { webRtc: 'werift' }));
    owned.add(
      acceptPeers(client, async (connection) => {
        const channel = await connection.acceptChannel();
        for await (const message of channel.messages) await channel.send(message);
      }),
    );
    const purpose = { job_id: 'job00001', kind: 'dataset' } as const;
    const connection = owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
    const channel = await connection.openChannel('dataset');
    const echoes = channel.messages[Symbol.asyncIterator]();
    // Both sides get far beyond the numbers of the handshake.
    for (let i = 0; i < 20; i += 1) {
      await channel.send(`message ${i}`);
      assert.equal((await echoes.next()).value, `message ${i}`);
    }
    assert.ok(sent.size > 60, `${sent.size} records were seen`);
    assert.deepEqual(repeated, []);
  });
});
