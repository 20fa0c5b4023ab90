import { type ErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import type { RoomRole } from '../../protocol/wire/api.ts';
import {
  MAX_PEERS_IN_ROOM,
  type PeerInfo,
  type PeerMetadata,
  type ServerMessage,
} from '../../protocol/wire/signaling.ts';
import type { Reader } from '../job-views/room-jobs.ts';
import { ByteBudget } from '../limits/byte-budget.ts';
import { CLOSE, MAX_ROOM_METADATA_BYTES, MAX_TOTAL_METADATA_BYTES } from './limits.ts';

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
  /** What its token allows; undefined for a peer that has not come back yet. */
  access?: RoomRole | undefined;
}

/** The peers of one room, and how many bytes their metadata have together. */
interface Room {
  peers: Map<string, Member>;
  budget: ByteBudget;
}

/** Which peers are in which room, and the socket of each. Nothing crosses from one room to another: every method names its room. */
export class PeerDirectory {
  readonly #rooms = new Map<string, Room>();
  readonly #budget = new ByteBudget(MAX_TOTAL_METADATA_BYTES);
  readonly #onChange: (roomId: string) => void;

  /** @param options `onChange` is called after every change that belongs in the backup */
  constructor(options: { onChange?: (roomId: string) => void } = {}) {
    this.#onChange = options.onChange ?? (() => undefined);
  }

  /**
   * Adds a peer and informs the others. The same user's older socket is replaced, and so is another's that no longer
   * answers (a worker that was started again while its old machine hangs).
   * @throws SleapRtcError PEER_ID_TAKEN if another living peer has the id, LIMIT_REACHED if the room is full
   */
  async join(roomId: string, info: PeerInfo, link: PeerLink, access: RoomRole = 'member'): Promise<void> {
    for (;;) {
      const holder = this.find(roomId, info.peer_id);
      const free = holder?.link == null || holder.info.user_id === info.user_id;
      if (free || !(await holder.link?.responds())) {
        // While the holder was being asked, another may have taken its place.
        if (this.find(roomId, info.peer_id) !== holder) continue;
        this.#seat(roomId, { info, link, access }, holder);
        return;
      }
      throw new SleapRtcError('PEER_ID_TAKEN', `Another peer in ${roomId} is named ${info.peer_id}.`);
    }
  }

  #room(roomId: string): Room {
    return (
      this.#rooms.get(roomId) ?? { peers: new Map(), budget: new ByteBudget(MAX_ROOM_METADATA_BYTES, this.#budget) }
    );
  }

  #seat(roomId: string, member: Member, holder: Member | undefined): void {
    const room = this.#room(roomId);
    if (holder === undefined && room.peers.size >= MAX_PEERS_IN_ROOM) {
      throw new SleapRtcError('LIMIT_REACHED', `The room ${roomId} is full (${MAX_PEERS_IN_ROOM} peers).`);
    }
    reserve(room, holder?.info, member.info);
    this.#rooms.set(roomId, room);
    room.peers.set(member.info.peer_id, member);
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
    const room = this.#rooms.get(roomId);
    const member = room?.peers.get(peerId);
    if (room === undefined || member === undefined || member.link !== link) return;
    room.peers.delete(peerId);
    reserve(room, member.info, undefined);
    if (room.peers.size === 0) this.#rooms.delete(roomId);
    this.broadcast(roomId, { type: 'peer_left', peer_id: peerId }, peerId);
    this.#onChange(roomId);
  }

  /** Changes the metadata of a peer and informs the others. @throws SleapRtcError LIMIT_REACHED if the room has too many already */
  update(roomId: string, peerId: string, metadata: PeerMetadata): void {
    const room = this.#rooms.get(roomId);
    const member = room?.peers.get(peerId);
    if (room === undefined || member === undefined) return;
    const info = { ...member.info, metadata };
    reserve(room, member.info, info);
    member.info = info;
    this.broadcast(roomId, { type: 'peer_updated', peer: member.info }, peerId);
    this.#onChange(roomId);
  }

  find(roomId: string, peerId: string): Member | undefined {
    return this.#rooms.get(roomId)?.peers.get(peerId);
  }

  /** How many peers a room has. */
  size(roomId: string): number {
    return this.#rooms.get(roomId)?.peers.size ?? 0;
  }

  /** A room's peers as others see them, without `exceptPeerId`. */
  peers(roomId: string, exceptPeerId?: string): PeerInfo[] {
    const members = [...(this.#rooms.get(roomId)?.peers.values() ?? [])];
    return members.filter(({ info }) => info.peer_id !== exceptPeerId).map(visibleInfo);
  }

  /** Rooms in which a peer is connected. */
  activeRooms(): string[] {
    return [...this.#rooms]
      .filter(([, { peers }]) => [...peers.values()].some(({ link }) => link !== null))
      .map(([id]) => id);
  }

  /** Closes the sockets of peers that are let in no more. They are told why, and leave when their sockets have closed. */
  disconnect(roomId: string, code: ErrorCode, isConcerned: (member: Member) => boolean): void {
    for (const member of this.#rooms.get(roomId)?.peers.values() ?? []) {
      if (isConcerned(member)) member.link?.close(CLOSE.refused, code);
    }
  }

  /** Sends to everyone in a room but one. */
  broadcast(roomId: string, message: ServerMessage, exceptPeerId: string): void {
    for (const [peerId, member] of this.#rooms.get(roomId)?.peers ?? []) {
      if (peerId !== exceptPeerId) member.link?.send(message);
    }
  }

  /** Every room's peers, for the backup. */
  snapshot(): Record<string, PeerInfo[]> {
    return Object.fromEntries(
      [...this.#rooms].map(([id, { peers }]) => [id, [...peers.values()].map(({ info }) => info)]),
    );
  }

  /** Adds peers from a backup as reconnecting; those who have come back already are left alone. */
  restore(rooms: Record<string, PeerInfo[]>): void {
    for (const [roomId, infos] of Object.entries(rooms)) {
      const room = this.#room(roomId);
      this.#rooms.set(roomId, room);
      for (const info of infos) {
        if (room.peers.has(info.peer_id)) continue;
        if (!room.budget.resize(0, bytesOf(info))) continue;
        room.peers.set(info.peer_id, { info, link: null });
      }
    }
  }

  /** Gives up on restored peers that have not come back. */
  dropReconnecting(): void {
    for (const [roomId, { peers }] of [...this.#rooms]) {
      for (const [peerId, { link }] of [...peers]) if (link === null) this.leave(roomId, peerId, null);
    }
  }
}

/** Takes the bytes of a peer's new metadata instead of the old ones. @throws SleapRtcError LIMIT_REACHED if they are too many */
function reserve({ budget }: Room, before: PeerInfo | undefined, after: PeerInfo | undefined): void {
  if (budget.resize(bytesOf(before), bytesOf(after))) return;
  throw new SleapRtcError('LIMIT_REACHED', 'The peers of this room, or of all rooms, say too much of themselves.');
}

function bytesOf(info: PeerInfo | undefined): number {
  return info === undefined ? 0 : Buffer.byteLength(JSON.stringify(info.metadata));
}

/** A peer that is not connected must not be chosen as available. */
function visibleInfo({ info, link }: Member): PeerInfo {
  if (link !== null) return info;
  const { metadata } = info;
  return { ...info, metadata: { ...metadata, properties: { ...metadata.properties, status: 'reconnecting' } } };
}
