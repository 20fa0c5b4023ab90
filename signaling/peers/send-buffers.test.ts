import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import pino from 'pino';
import type { WebSocket } from 'ws';
import type { ServerMessage } from '../../protocol/wire/signaling.ts';
import { SendBuffers } from './send-buffers.ts';

/** A socket whose other end reads only if it is told to. */
class SlowSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  readonly sent: { bytes: Buffer; read: () => void }[] = [];
  send(bytes: Buffer, _: object, read: () => void): void {
    this.sent.push({ bytes, read });
  }
  terminate(): void {
    this.readyState = 3;
    this.emit('close');
    for (const { read } of this.sent) read();
  }
  readAll(): void {
    for (const { read } of this.sent.splice(0)) read();
  }
  get socket(): WebSocket {
    return this as unknown as WebSocket;
  }
}

const MB = 1024 * 1024;
const message = (bytes: number): ServerMessage => ({
  type: 'offer',
  sender: 'w1',
  target: 'c1',
  connection_id: 'connection-1',
  sdp: 'x'.repeat(bytes),
  purpose: { job_id: 'job00000001', kind: 'dataset' },
});

describe('what waits for slow readers', () => {
  const buffers = (budgetBytes: number) => new SendBuffers({ budgetBytes, logger: pino({ level: 'silent' }) });

  it('is one and the same for all who get the same message', () => {
    const all = buffers(64 * MB);
    const readers = [new SlowSocket(), new SlowSocket(), new SlowSocket()];
    const shared = message(1000);
    for (const reader of readers) all.send(reader.socket, shared);
    assert.equal(new Set(readers.map(({ sent }) => sent[0]?.bytes)).size, 1);
  });

  it('is limited for all together: those who read least are cut off, and nobody else', () => {
    const all = buffers(10 * MB);
    const attentive = new SlowSocket();
    const slow = Array.from({ length: 20 }, () => new SlowSocket());
    for (let n = 0; n < 10; n += 1) {
      for (const reader of [attentive, ...slow]) all.send(reader.socket, message(MB / 4));
      attentive.readAll();
      assert.ok(all.totalBytes <= 10 * MB, `${all.totalBytes} bytes`);
    }
    assert.equal(attentive.readyState, 1);
    assert.ok(slow.filter(({ readyState }) => readyState === 3).length >= 10);
    for (const reader of slow) reader.terminate();
    attentive.readAll();
    assert.equal(all.totalBytes, 0);
  });

  it('is limited for each, and progress is left out before that', () => {
    const all = buffers(1000 * MB);
    const reader = new SlowSocket();
    for (let n = 0; n < 8; n += 1) all.send(reader.socket, message(MB / 4), { droppable: true });
    assert.ok(reader.sent.length < 6);
    for (let n = 0; n < 40; n += 1) all.send(reader.socket, message(MB / 4));
    assert.equal(reader.readyState, 3);
  });
});
