import { SleapRtcError } from '../../protocol/errors.ts';
import type { PeerInfo, PeerMetadata, ServerMessage } from '../../protocol/wire/signaling.ts';
import type { Reader } from '../job-views/room-jobs.ts';
import { CLOSE, MAX_PEERS_IN_ROOM } from './limits.ts';

/** The server's end of a peer's socket. */
export interface PeerLink extends Reader {
  close(code: number, reason: string): void;
  /** Pings the peer. Returns whether it answers in time. */
  responds(): Promise<boolean>;
}

/** One peer of a room. `link` is null for a peer known from before a restart that has not come back yet. */
export interface Member {
  info: PeerInfo;
  link: PeerLink | null;
}

/** Which peers are in which room, and the socket of each. Nothing crosses from one room to another: every method names its room. */
export class PeerDirectory {
  readonly #rooms = new Map<string, Map<string, Member>>();
  readonly #onChange: (roomId: string) => void;

  /** @param options `onChange` is called after every change that belongs in the backup */
  constructor(options: { onChange?: (roomId: string) => void } = {}) {
    this.#onChange = options.onChange ?? (() => undefined);
  }

  /**
   * Adds a peer and informs the others. The same user's older socket is replaced, and so is another's that no longer
   * answers (a worker that was started again while its old machine hangs).
   * @throws SleapRtcError PEER_ID_TAKEN if another living peer has the id, NOT_ALLOWED if the room is full
   */
  async join(roomId: string, info: PeerInfo, link: PeerLink): Promise<void> {
    for (;;) {
      const holder = this.find(roomId, info.peer_id);
      const free = holder?.link == null || holder.info.user_id === info.user_id;
      if (free || !(await holder.link?.responds())) {
        // While the holder was being asked, another may have taken its place.
        if (this.find(roomId, info.peer_id) !== holder) continue;
        this.#seat(roomId, { info, link }, holder);
        return;
      }
      throw new SleapRtcError('PEER_ID_TAKEN', `Another peer in ${roomId} is named ${info.peer_id}.`);
    }
  }

  #seat(roomId: string, member: Member, holder: Member | undefined): void {
    const peers = this.#rooms.get(roomId) ?? new Map<string, Member>();
    if (holder === undefined && peers.size >= MAX_PEERS_IN_ROOM) {
      throw new SleapRtcError('NOT_ALLOWED', `The room ${roomId} is full (${MAX_PEERS_IN_ROOM} peers).`);
    }
    this.#rooms.set(roomId, peers);
    peers.set(member.info.peer_id, member);
    holder?.link?.close(CLOSE.replaced, 'replaced by a newer connection');
    // The same user's peer has not left, so the others get no `peer_left`. Another user's peer has.
    if (holder !== undefined && holder.info.user_id !== member.info.user_id) {
      this.broadcast(roomId, { type: 'peer_left', peer_id: member.info.peer_id }, member.info.peer_id);
    }
    this.broadcast(roomId, { type: 'peer_joined', peer: member.info }, member.info.peer_id);
    this.#onChange(roomId);
  }

  /** Removes a peer whose socket closed and informs the others; a socket that was replaced removes nothing. */
  leave(roomId: string, peerId: string, link: PeerLink | null): void {
    const peers = this.#rooms.get(roomId);
    if (peers?.get(peerId)?.link !== link) return;
    peers.delete(peerId);
    if (peers.size === 0) this.#rooms.delete(roomId);
    this.broadcast(roomId, { type: 'peer_left', peer_id: peerId }, peerId);
    this.#onChange(roomId);
  }

  /** Changes the metadata of a peer and informs the others. */
  update(roomId: string, peerId: string, metadata: PeerMetadata): void {
    const member = this.find(roomId, peerId);
    if (member === undefined) return;
    member.info = { ...member.info, metadata };
    this.broadcast(roomId, { type: 'peer_updated', peer: member.info }, peerId);
    this.#onChange(roomId);
  }

  find(roomId: string, peerId: string): Member | undefined {
    return this.#rooms.get(roomId)?.get(peerId);
  }

  /** A room's peers as others see them, without `exceptPeerId`. */
  peers(roomId: string, exceptPeerId?: string): PeerInfo[] {
    const members = [...(this.#rooms.get(roomId)?.values() ?? [])];
    return members.filter(({ info }) => info.peer_id !== exceptPeerId).map(visibleInfo);
  }

  /** Rooms in which a peer is connected. */
  activeRooms(): string[] {
    return [...this.#rooms]
      .filter(([, peers]) => [...peers.values()].some(({ link }) => link !== null))
      .map(([id]) => id);
  }

  /** Sends to everyone in a room but one. */
  broadcast(roomId: string, message: ServerMessage, exceptPeerId: string): void {
    for (const [peerId, member] of this.#rooms.get(roomId) ?? []) {
      if (peerId !== exceptPeerId) member.link?.send(message);
    }
  }

  /** Every room's peers, for the backup. */
  snapshot(): Record<string, PeerInfo[]> {
    return Object.fromEntries([...this.#rooms].map(([id, peers]) => [id, [...peers.values()].map(({ info }) => info)]));
  }

  /** Adds peers from a backup as reconnecting; those who have come back already are left alone. */
  restore(rooms: Record<string, PeerInfo[]>): void {
    for (const [roomId, infos] of Object.entries(rooms)) {
      const peers = this.#rooms.get(roomId) ?? new Map<string, Member>();
      this.#rooms.set(roomId, peers);
      for (const info of infos) if (!peers.has(info.peer_id)) peers.set(info.peer_id, { info, link: null });
    }
  }

  /** Gives up on restored peers that have not come back. */
  dropReconnecting(): void {
    for (const [roomId, peers] of [...this.#rooms]) {
      for (const [peerId, { link }] of [...peers]) if (link === null) this.leave(roomId, peerId, null);
    }
  }
}

/** A peer that is not connected must not be chosen as available. */
function visibleInfo({ info, link }: Member): PeerInfo {
  if (link !== null) return info;
  const { metadata } = info;
  return { ...info, metadata: { ...metadata, properties: { ...metadata.properties, status: 'reconnecting' } } };
}
