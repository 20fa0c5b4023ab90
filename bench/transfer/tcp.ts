import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { DiskSink } from './disk-sink.ts';
import type { Implementation } from './task.ts';

const CHUNK_BYTES = 256 * 1024;

/** Plain TCP with a SHA-256 at the receiver: the most that this machine can do. */
export const tcp: Implementation = {
  async send({ path, address, ready }) {
    const server = createServer().listen(0, address);
    await once(server, 'listening');
    const connected = once(server, 'connection');
    ready((server.address() as AddressInfo).port);
    const [socket]: Socket[] = await connected;
    if (socket !== undefined) await pipeline(createReadStream(path, { highWaterMark: CHUNK_BYTES }), socket);
    server.close();
  },

  async receive({ path, bytes, address, port, started }) {
    const sink = await DiskSink.open(path, bytes);
    const socket = connect({ port, host: address });
    await once(socket, 'connect');
    started();
    for await (const data of socket) await sink.take(data);
    return sink.done;
  },
};
