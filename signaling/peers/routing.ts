import { SleapRtcError } from '../../protocol/errors.ts';
import { type ClientMessage, EVERYONE, type ServerMessage } from '../../protocol/signaling.ts';
import { matchesFilters } from './filters.ts';
import { type PeerServices, type Registered, refuseLargeMetadata } from './registration.ts';

type Services = Pick<PeerServices, 'directory' | 'progress' | 'curves'>;

/**
 * Does what a registered peer asks and returns the reply to it. Relayed messages carry the sender's name from
 * `self`, never from the message, and reach this peer's own room only.
 * @throws SleapRtcError PEER_UNKNOWN where the target is not in the room, MESSAGE_INVALID for a second `register`
 */
export function route(services: Services, self: Registered, message: ClientMessage): ServerMessage {
  const { directory } = services;
  const { request_id } = message;
  switch (message.type) {
    case 'register':
      throw new SleapRtcError('MESSAGE_INVALID', 'This socket is registered already.');
    case 'ping':
      return { type: 'pong', request_id };
    case 'discover_peers': {
      const peers = directory.peers(self.roomId, self.peerId).filter((peer) => matchesFilters(peer, message.filters));
      return { type: 'peer_list', request_id, peers, count: peers.length };
    }
    case 'update_metadata':
      refuseLargeMetadata(message.metadata);
      directory.update(self.roomId, self.peerId, message.metadata);
      return { type: 'metadata_updated', request_id };
    case 'peer_message': {
      const { payload } = message;
      if (self.role === 'worker') {
        services.progress.observe(self.roomId, self.peerId, payload);
        services.curves.observe(self.roomId, payload);
      }
      const stamped: ServerMessage = { type: 'peer_message', from_peer_id: self.peerId, payload };
      if (message.to_peer_id === EVERYONE) directory.broadcast(self.roomId, stamped, self.peerId);
      else deliver(services, self, message.to_peer_id, stamped);
      return { type: 'delivered', request_id };
    }
    case 'offer':
    case 'answer':
    case 'candidate': {
      const { request_id: _, ...body } = message;
      deliver(services, self, message.target, { ...body, sender: self.peerId });
      return { type: 'delivered', request_id };
    }
  }
}

function deliver({ directory }: Services, self: Registered, peerId: string, message: ServerMessage): void {
  const link = directory.find(self.roomId, peerId)?.link;
  if (link == null) throw new SleapRtcError('PEER_UNKNOWN', `No peer named ${peerId} is connected to the room.`);
  link.send(message);
}
