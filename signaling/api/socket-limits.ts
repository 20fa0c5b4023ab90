import type { IncomingMessage } from 'node:http';
import { ipKeyGenerator } from 'express-rate-limit';
import type { WebSocketServer } from 'ws';

/** How many sockets there may be. */
export interface SocketLimitsConfig {
  /** All together. */
  sockets: number;
  /** From one address. */
  socketsPerAddress: number;
  /** Number of proxies in front whose `X-Forwarded-For` is trusted. */
  trustedProxies: number;
}

/**
 * Where a request comes from: as far back as proxies are trusted. An IPv6 address stands for its /56 network, which one
 * customer of a provider has.
 */
export function addressOf(
  { socket, headers }: Pick<IncomingMessage, 'headers'> & { socket: { remoteAddress?: string | undefined } },
  trustedProxies: number,
): string {
  const forwarded = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
  const named = forwarded.map((address) => address.trim()).filter((address) => address !== '');
  const chain = [socket.remoteAddress ?? '', ...named.reverse()];
  return ipKeyGenerator(chain[Math.min(trustedProxies, chain.length - 1)] ?? '');
}

/** Counts the sockets of each address. */
export class SocketLimits {
  readonly #config: SocketLimitsConfig;
  readonly #byAddress = new Map<string, number>();
  #total = 0;

  constructor(config: SocketLimitsConfig) {
    this.#config = config;
  }

  /** Counts the sockets of a server from now on. */
  watch(sockets: WebSocketServer): void {
    sockets.on('connection', (socket, request: IncomingMessage) => {
      const address = addressOf(request, this.#config.trustedProxies);
      this.#count(address, 1);
      socket.once('close', () => this.#count(address, -1));
    });
  }

  /** Returns the HTTP status with which a new socket is refused, or undefined if it may be opened. */
  refusal(request: IncomingMessage): 429 | 503 | undefined {
    const { sockets, socketsPerAddress, trustedProxies } = this.#config;
    if ((this.#byAddress.get(addressOf(request, trustedProxies)) ?? 0) >= socketsPerAddress) return 429;
    return this.#total >= sockets ? 503 : undefined;
  }

  #count(address: string, change: number): void {
    const count = (this.#byAddress.get(address) ?? 0) + change;
    if (count === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, count);
    this.#total += change;
  }
}
