import { createServer, type Server } from 'node:net';

/** Ports below the range that Linux (32768) and macOS (49152) give to outgoing connections, in blocks. */
const FIRST_PORT = 15_000;
const LAST_PORT = 32_000;
const BLOCK_PORTS = 32;

const held: { server: Server; next: number; end: number }[] = [];

/**
 * A free TCP port on 127.0.0.1 for a server that cannot choose one itself. Two processes of ours never get the same port: each
 * takes whole blocks of ports, and a block belongs to the process that listens on its first port, as long as that process lives.
 * Another program may still take the port before it is used. If a server cannot bind to it, try another one.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const block = held.at(-1);
    if (block === undefined || block.next >= block.end) {
      await claimBlock();
      continue;
    }
    const port = block.next++;
    const probe = await tryListen(port);
    if (probe === undefined) continue;
    await new Promise((resolve) => probe.close(resolve));
    return port;
  }
}

async function claimBlock(): Promise<void> {
  for (;;) {
    const blocks = Math.floor((LAST_PORT - FIRST_PORT) / BLOCK_PORTS);
    const start = FIRST_PORT + Math.floor(Math.random() * blocks) * BLOCK_PORTS;
    const server = await tryListen(start);
    if (server === undefined) continue;
    server.unref(); // the claim ends with this process and does not keep it alive
    held.push({ server, next: start + 1, end: start + BLOCK_PORTS });
    return;
  }
}

function tryListen(port: number): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}
