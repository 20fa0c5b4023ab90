import { SleapRtcError } from '../../protocol/errors.ts';
import { type ClientMessage, EVERYONE, type ServerMessage } from '../../protocol/wire/signaling.ts';
import { refuseViewer } from '../rooms/rooms.ts';
import type { PeerLink } from './directory.ts';
import { matchesFilters } from './filters.ts';
import { type PeerServices, type Registered, refuseLargeMetadata } from './registration.ts';

/** What a viewer may send. Everything else reaches other peers, or changes what they see. */
const READING: ReadonlySet<ClientMessage['type']> = new Set(['register', 'ping', 'discover_peers', 'subscribe_jobs']);

type Services = Pick<PeerServices, 'directory' | 'jobViews'>;

/**
 * Does what a registered peer asks. Relayed messages carry the sender's name from `self`, never from the message, and reach this
 * peer's own room only.
 * @returns the reply; undefined if it follows later
 * @throws SleapRtcError PEER_UNKNOWN if the target is not in the room, NOT_ALLOWED for progress that is not a worker's and for a viewer,
 *   MESSAGE_INVALID for a second `register`
 */
export function route(
  services: Services,
  self: Registered,
  message: ClientMessage,
  link: PeerLink,
): ServerMessage | undefined {
  const { directory, jobViews } = services;
  const { request_id } = message;
  if (!READING.has(message.type)) refuseViewer(self.access);
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
      if (payload.type === 'job_complete') jobViews.hint(self.roomId, payload.job_id);
      const stamped: ServerMessage = { type: 'peer_message', from_peer_id: self.peerId, payload };
      if (message.to_peer_id === EVERYONE) directory.broadcast(self.roomId, stamped, self.peerId);
      else deliver(services, self, message.to_peer_id, stamped);
      return { type: 'delivered', request_id };
    }
    case 'job_progress':
      if (self.role !== 'worker')
        throw new SleapRtcError('NOT_ALLOWED', 'Only a worker reports the progress of a job.');
      jobViews.report(self.roomId, self.peerId, message.session_id, message.progress);
      return { type: 'delivered', request_id };
    case 'subscribe_jobs': {
      const { job_id: jobId, since_seq: sinceSeq } = message;
      void jobViews.subscribe(self.roomId, link, { jobId, sinceSeq, requestId: request_id });
      return undefined;
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

/** How many peers get what this message has: as many are sent its bytes. */
export function fanOut({ directory }: Services, self: Registered, message: ClientMessage): number {
  const isForAll =
    message.type === 'update_metadata' || (message.type === 'peer_message' && message.to_peer_id === EVERYONE);
  return isForAll ? directory.size(self.roomId) : 1;
}

function deliver({ directory }: Services, self: Registered, peerId: string, message: ServerMessage): void {
  const link = directory.find(self.roomId, peerId)?.link;
  if (link == null) throw new SleapRtcError('PEER_UNKNOWN', `No peer named ${peerId} is connected to the room.`);
  link.send(message);
}
