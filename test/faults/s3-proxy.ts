import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The requests to which a rule applies: `PUT rooms/models/x/best.ckpt` is method, blank, and the path without the bucket. */
type Match = RegExp;

/** A request that waits in the network. */
export interface HeldRequest {
  /** Resolves when the request has come; its body has not been read. */
  arrived: Promise<void>;
  /** Passes on this request and all later ones. */
  release(): void;
}

interface Rule {
  match: Match;
  onRequest?: () => Promise<void>;
  onReply?: () => void;
}

/**
 * The network between our programs and S3: passes everything on, unless a test holds a request or loses an
 * answer. Requests keep their Host header, so signatures stay valid.
 */
export class S3Proxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: URL;
  readonly #rules = new Set<Rule>();
  #port = 0;

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((incoming, outgoing) => void this.#serve(incoming, outgoing));
    this.#server.keepAliveTimeout = 60_000;
  }

  /** Starts a proxy to an S3 server. */
  static async start(target: string): Promise<S3Proxy> {
    const proxy = new S3Proxy(target);
    await proxy.#listen();
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Holds requests from now on. */
  hold(match: Match): HeldRequest {
    const arrived = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const rule: Rule = {
      match,
      onRequest: () => {
        arrived.resolve();
        return released.promise;
      },
    };
    this.#rules.add(rule);
    const release = () => {
      this.#rules.delete(rule);
      released.resolve();
    };
    return { arrived: arrived.promise, release };
  }

  /** Passes the next such request on and cuts the connection when its answer comes. Resolves when that has happened. */
  loseReply(match: Match): Promise<void> {
    const lost = Promise.withResolvers<void>();
    const rule: Rule = {
      match,
      onReply: () => {
        this.#rules.delete(rule);
        lost.resolve();
      },
    };
    this.#rules.add(rule);
    return lost.promise;
  }

  /** Stops listening and cuts all connections, as if the server's machine were gone. */
  async stopServing(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** Listens again, at the same address. */
  async serveAgain(): Promise<void> {
    if (!this.#server.listening) await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.stopServing();
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const key = new URL(incoming.url ?? '/', this.#target).pathname
      .split('/')
      .slice(2)
      .map(decodeURIComponent)
      .join('/');
    const what = `${incoming.method} ${key}`;
    const rule = [...this.#rules].find(({ match }) => match.test(what));
    const cut = () => incoming.socket.destroy();
    outgoing.on('error', cut);
    await rule?.onRequest?.();
    if (incoming.socket.destroyed) return; // the client has ended meanwhile
    const { hostname, port } = this.#target;
    const upstream = request({
      hostname,
      port,
      method: incoming.method,
      path: incoming.url,
      headers: incoming.headers,
    });
    upstream.on('error', cut);
    upstream.on('response', (reply) => {
      if (rule?.onReply) {
        reply.resume();
        reply.on('end', () => {
          cut();
          rule.onReply?.();
        });
        return;
      }
      outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(outgoing);
      reply.on('error', cut);
    });
    incoming.on('error', () => upstream.destroy());
    incoming.pipe(upstream);
    outgoing.on('close', () => upstream.destroy());
  }
}
