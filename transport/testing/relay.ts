import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { ClientMessage, type IceServer, type PeerInfo, type ServerMessage } from '../../protocol/signaling.ts';

/** A peer as the relay keeps it. */
interface Member {
  socket: WebSocket;
  info: PeerInfo;
}

/**
 * A signaling server of one room for tests: it speaks the protocol, believes everyone whose token is `token`, and can be
 * made to misbehave: `hang` stops answering, `drop` cuts all sockets, `intercept` sees (and may replace) what is relayed.
 */
export class TestRelay implements AsyncDisposable {
  static readonly token = 'test-token';
  readonly members = new Map<string, Member>();
  readonly iceServers: IceServer[] = [];
  /** Every registration that was taken. */
  readonly registrations: Extract<ClientMessage, { type: 'register' }>[] = [];
  intercept: (message: ServerMessage) => ServerMessage | undefined = (message) => message;
  hang = false;
  readonly #server: WebSocketServer;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on('connection', (socket) => this.#serve(socket));
  }

  /** @param port 0 for any free one; a given one to come back after `drop` where clients look for it */
  static async start(port = 0, host = '127.0.0.1'): Promise<TestRelay> {
    const server = new WebSocketServer({ host, port, path: '/ws' });
    await new Promise<void>((resolve, reject) => {
      server.once('listening', resolve);
      server.once('error', reject);
    });
    return new TestRelay(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://${(this.#server.address() as AddressInfo).address}:${this.port}`;
  }

  drop(): void {
    for (const socket of this.#server.clients) socket.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: WebSocket): void {
    let peerId: string | undefined;
    const reply = (message: ServerMessage) => socket.send(JSON.stringify(message));
    socket.on('message', (data) => {
      if (this.hang) return;
      const parsed = ClientMessage.safeParse(JSON.parse(String(data)));
      if (!parsed.success) return reply({ type: 'error', code: 'MESSAGE_INVALID', message: parsed.error.message });
      const message = parsed.data;
      if (message.type === 'register') peerId = this.#register(socket, message);
      else if (peerId !== undefined) this.#route(peerId, message, reply);
    });
    socket.on('close', () => {
      if (peerId === undefined || this.members.get(peerId)?.socket !== socket) return;
      this.members.delete(peerId);
      this.#tellAll({ type: 'peer_left', peer_id: peerId });
    });
  }

  #register(socket: WebSocket, message: Extract<ClientMessage, { type: 'register' }>): string | undefined {
    const { peer_id, request_id, room_id, role, metadata } = message;
    if (message.token !== TestRelay.token) {
      socket.send(JSON.stringify({ type: 'error', request_id, code: 'TOKEN_REFUSED', message: 'Wrong token.' }));
      return undefined;
    }
    const info = { peer_id, role, user_id: 'user-1', metadata, connected_at: new Date().toISOString() };
    const peer_list = [...this.members.values()].map((member) => member.info);
    this.registrations.push(message);
    this.#tellAll({ type: 'peer_joined', peer: info });
    this.members.set(peer_id, { socket, info });
    const { iceServers: ice_servers } = this;
    socket.send(JSON.stringify({ type: 'registered_auth', request_id, room_id, peer_id, peer_list, ice_servers }));
    return peer_id;
  }

  #route(sender: string, message: ClientMessage, reply: (message: ServerMessage) => void): void {
    const { request_id } = message;
    if (message.type === 'ping') reply({ type: 'pong', request_id });
    if (message.type === 'discover_peers') {
      const peers = [...this.members.values()].map(({ info }) => info).filter(({ peer_id }) => peer_id !== sender);
      reply({ type: 'peer_list', request_id, peers, count: peers.length });
    }
    if (message.type === 'update_metadata') {
      const member = this.members.get(sender);
      if (member !== undefined) member.info.metadata = message.metadata;
      reply({ type: 'metadata_updated', request_id });
    }
    if (message.type === 'peer_message') {
      this.#deliver(message.to_peer_id, { type: 'peer_message', from_peer_id: sender, payload: message.payload });
      reply({ type: 'delivered', request_id });
    }
    if (message.type === 'offer' || message.type === 'answer' || message.type === 'candidate') {
      const known = this.#deliver(message.target, { ...message, sender });
      if (known) reply({ type: 'delivered', request_id });
      else reply({ type: 'error', request_id, code: 'PEER_UNKNOWN', message: `${message.target} is not here.` });
    }
  }

  #deliver(target: string, message: ServerMessage): boolean {
    const member = this.members.get(target);
    const relayed = this.intercept(message);
    if (relayed !== undefined) member?.socket.send(JSON.stringify(relayed));
    return member !== undefined;
  }

  #tellAll(message: ServerMessage): void {
    for (const { socket } of this.members.values()) socket.send(JSON.stringify(message));
  }
}
