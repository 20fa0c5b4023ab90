import type { Server } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { PeerFilters } from '../../protocol/filters.ts';
import { ClientMessage, EVERYONE, type PeerInfo, ServerMessage } from '../../protocol/signaling.ts';

interface Member {
  info: PeerInfo;
  socket: WebSocket;
}

type Message<Type extends ClientMessage['type']> = Extract<ClientMessage, { type: Type }>;

/** The WebSocket side of a FakeServer: one room that registers peers, finds them and passes their messages on. */
export class FakeRoom {
  readonly #members = new Map<string, Member>();
  #sockets: WebSocketServer | undefined;

  attach(server: Server): void {
    this.#sockets = new WebSocketServer({ server, path: '/ws' });
    this.#sockets.on('connection', (socket) => {
      let peerId: string | undefined;
      socket.on('message', (data) => {
        const message = ClientMessage.parse(JSON.parse(String(data)));
        if (message.type === 'register') peerId = this.#register(message, socket);
        else if (peerId !== undefined) this.#receive(peerId, message, socket);
      });
      socket.on('close', () => {
        if (peerId === undefined || this.#members.get(peerId)?.socket !== socket) return;
        this.#members.delete(peerId);
        this.#tellOthers(peerId, { type: 'peer_left', peer_id: peerId });
      });
    });
  }

  /** Cuts every connection. */
  cut(): void {
    this.#members.clear();
    for (const socket of this.#sockets?.clients ?? []) socket.terminate();
    this.#sockets?.close();
  }

  counts(): { workers: number; peers: number } {
    const roles = [...this.#members.values()].map(({ info }) => info.role);
    return { workers: roles.filter((role) => role === 'worker').length, peers: roles.length };
  }

  #register(message: Message<'register'>, socket: WebSocket): string {
    const { peer_id, role, metadata, request_id } = message;
    const info = { peer_id, role, user_id: 'user-1', metadata, connected_at: new Date().toISOString() };
    const peers = [...this.#members.values()].map((member) => member.info);
    this.#members.set(peer_id, { info, socket });
    send(socket, {
      type: 'registered_auth',
      request_id,
      room_id: message.room_id,
      peer_id,
      peer_list: peers,
      ice_servers: [],
    });
    this.#tellOthers(peer_id, { type: 'peer_joined', peer: info });
    return peer_id;
  }

  #receive(from: string, message: Exclude<ClientMessage, Message<'register'>>, socket: WebSocket): void {
    const { request_id } = message;
    if (message.type === 'ping') send(socket, { type: 'pong', request_id });
    else if (message.type === 'discover_peers') {
      const everyone = [...this.#members.values()].map(({ info }) => info);
      const peers = everyone.filter((info) => info.peer_id !== from && meets(info, message.filters));
      send(socket, { type: 'peer_list', request_id, peers, count: peers.length });
    } else if (message.type === 'update_metadata') {
      const member = this.#members.get(from);
      if (member === undefined) return;
      member.info = { ...member.info, metadata: message.metadata };
      send(socket, { type: 'metadata_updated', request_id });
      this.#tellOthers(from, { type: 'peer_updated', peer: member.info });
    } else {
      if (message.type !== 'peer_message')
        this.#pass(message.target, ServerMessage.parse({ ...message, sender: from }));
      else {
        const passed: ServerMessage = { type: 'peer_message', from_peer_id: from, payload: message.payload };
        if (message.to_peer_id === EVERYONE) this.#tellOthers(from, passed);
        else this.#pass(message.to_peer_id, passed);
      }
      send(socket, { type: 'delivered', request_id });
    }
  }

  #pass(to: string, message: ServerMessage): void {
    const member = this.#members.get(to);
    if (member !== undefined) send(member.socket, message);
  }

  #tellOthers(from: string, message: ServerMessage): void {
    for (const [peerId, { socket }] of this.#members) if (peerId !== from) send(socket, message);
  }
}

function send(socket: WebSocket, message: ServerMessage): void {
  socket.send(JSON.stringify(message));
}

/** As much of discovery as the CLI and the fake worker use. */
function meets({ role, metadata }: PeerInfo, filters: PeerFilters): boolean {
  if (filters.role !== undefined && filters.role !== role) return false;
  if (filters.tags?.some((tag) => !metadata.tags.includes(tag))) return false;
  return Object.entries(filters.properties ?? {}).every(([name, condition]) => {
    const value = metadata.properties[name];
    if (typeof condition !== 'object') return value === condition;
    if (condition.$gte !== undefined) return typeof value === 'number' && value >= condition.$gte;
    return condition.$eq === undefined || value === condition.$eq;
  });
}
