import { z } from 'zod';
import { JobId, PeerId, RoomId } from '../ids.ts';
import { EventSeq, JobEvent, JobView, WorkerProgress } from '../jobs/job-view.ts';
import { Count, clippedText, TimeText } from '../text.ts';
import { PeerFilters } from './filters.ts';
import { limitedRecord } from './limited-record.ts';
import { PeerPayload } from './peer-messages.ts';

/** Largest WebSocket message, in bytes. An SDP offer is about 4 kB; large data belongs on a data channel. */
export const MAX_MESSAGE_BYTES = 128 * 1024;

/** Properties of one peer. */
const MAX_PROPERTIES = 64;
/** Most peers in one room: each join is sent to all others, so the cost grows with the square. */
export const MAX_PEERS_IN_ROOM = 256;
/** Jobs of one room that the server tracks, and so lists, at most. */
export const MAX_TRACKED_JOBS = 1000;
/** STUN and TURN servers, and addresses of each. */
const MAX_ICE_SERVERS = 16;

/** `to_peer_id` of a peer message meant for everyone else in the room. */
export const EVERYONE = '*';

export const Role = z.enum(['worker', 'client', 'dashboard']);
export type Role = z.infer<typeof Role>;

const PropertyValue = z.union([
  z.string().max(1024),
  z.number(),
  z.boolean(),
  z.null(),
  z.array(z.string().max(256)).max(256),
]);

/** What a peer says of itself. Workers: `gpu_memory_mb`, `gpu_model`, `sandbox`, `status`, `models`, `data`; clients: `job_id`. */
export const PeerMetadata = z.object({
  tags: z.array(z.string().max(64)).max(32).default([]),
  properties: limitedRecord(z.string().max(64), PropertyValue, MAX_PROPERTIES).default({}),
});
export type PeerMetadata = z.infer<typeof PeerMetadata>;

/** A peer as others in the room see it. The server sets `user_id` and `role`; the peer cannot claim them. */
export const PeerInfo = z.object({
  peer_id: PeerId,
  role: Role,
  user_id: z.string().max(128),
  metadata: PeerMetadata,
  connected_at: TimeText,
});
export type PeerInfo = z.infer<typeof PeerInfo>;

/** As in `RTCConfiguration.iceServers` (W3C WebRTC). */
export const IceServer = z.object({
  urls: z.array(z.string().max(512)).max(MAX_ICE_SERVERS),
  username: z.string().max(256).optional(),
  credential: z.string().max(256).optional(),
});
export type IceServer = z.infer<typeof IceServer>;

/** The purpose of a connection. The peer that answers decides by it what to serve. */
export const ConnectionPurpose = z.object({
  job_id: JobId,
  kind: z.enum(['dataset', 'results', 'live']),
});
export type ConnectionPurpose = z.infer<typeof ConnectionPurpose>;

const Sdp = z
  .string()
  .min(1)
  .max(64 * 1024);
const ConnectionId = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/);
/** Echoed in the reply to a request, so that a client can match replies to requests. */
const RequestId = z.string().max(64).optional();

/** What a client may send. `register` comes first on every socket; its credentials are never logged or passed on. */
export const ClientMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('register'),
    request_id: RequestId,
    peer_id: PeerId,
    room_id: RoomId,
    role: Role,
    token: z.string().max(256),
    id_token: z.string().max(8192),
    metadata: PeerMetadata,
  }),
  z.object({ type: z.literal('discover_peers'), request_id: RequestId, filters: PeerFilters }),
  z.object({
    type: z.literal('peer_message'),
    request_id: RequestId,
    to_peer_id: z.union([PeerId, z.literal(EVERYONE)]),
    payload: PeerPayload,
  }),
  z.object({
    type: z.literal('offer'),
    request_id: RequestId,
    target: PeerId,
    connection_id: ConnectionId,
    sdp: Sdp,
    purpose: ConnectionPurpose,
  }),
  z.object({ type: z.literal('answer'), request_id: RequestId, target: PeerId, connection_id: ConnectionId, sdp: Sdp }),
  z.object({
    type: z.literal('candidate'),
    request_id: RequestId,
    target: PeerId,
    connection_id: ConnectionId,
    /** As `RTCIceCandidateInit`; null marks the end of candidates. */
    candidate: z
      .object({
        candidate: z.string().max(2048),
        sdpMid: z.string().max(64).nullish(),
        sdpMLineIndex: z.int().min(0).max(65_535).nullish(),
      })
      .nullable(),
  }),
  z.object({ type: z.literal('update_metadata'), request_id: RequestId, metadata: PeerMetadata }),
  // A worker reports on the job whose session it has. Not passed on: the server merges it into the job's view.
  z.object({
    type: z.literal('job_progress'),
    request_id: RequestId,
    /** Proves that the worker has the job's session; no other member of the room knows it. */
    session_id: z.string().min(1).max(64),
    progress: WorkerProgress,
  }),
  // Answered with `jobs_subscribed`; a later one replaces it. Without `job_id`: all jobs of the room.
  z.object({
    type: z.literal('subscribe_jobs'),
    request_id: RequestId,
    job_id: JobId.optional(),
    /** The last event that the reader has; later events are replayed. */
    since_seq: EventSeq.optional(),
  }),
  z.object({ type: z.literal('ping'), request_id: RequestId }),
]);
export type ClientMessage = z.infer<typeof ClientMessage>;

const [, , peerMessage, offer, answer, candidate] = ClientMessage.options;

/** What the server sends. `sender` and `from_peer_id` are stamped by it. */
export const ServerMessage = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('registered_auth'),
    request_id: RequestId,
    room_id: RoomId,
    peer_id: PeerId,
    peer_list: z.array(PeerInfo).max(MAX_PEERS_IN_ROOM),
    ice_servers: z.array(IceServer).max(MAX_ICE_SERVERS),
  }),
  z.object({
    type: z.literal('peer_list'),
    request_id: RequestId,
    peers: z.array(PeerInfo).max(MAX_PEERS_IN_ROOM),
    count: Count,
  }),
  // Sent to each peer before the credentials that it has expire.
  z.object({ type: z.literal('ice_servers'), ice_servers: z.array(IceServer).max(MAX_ICE_SERVERS) }),
  z.object({ type: z.literal('peer_joined'), peer: PeerInfo }),
  z.object({ type: z.literal('peer_left'), peer_id: PeerId }),
  z.object({ type: z.literal('peer_updated'), peer: PeerInfo }),
  peerMessage.omit({ request_id: true, to_peer_id: true }).extend({ from_peer_id: PeerId }),
  offer.omit({ request_id: true }).extend({ sender: PeerId }),
  answer.omit({ request_id: true }).extend({ sender: PeerId }),
  candidate.omit({ request_id: true }).extend({ sender: PeerId }),
  z.object({ type: z.literal('metadata_updated'), request_id: RequestId }),
  /** Every `job_event` from here on follows. `jobs` is null if the missed events are replayed as `job_event`s, else all jobs that have not ended. */
  z.object({
    type: z.literal('jobs_subscribed'),
    request_id: RequestId,
    /** The newest event that `jobs` includes, or that the replay begins after. */
    seq: EventSeq,
    jobs: z.array(JobView).max(MAX_TRACKED_JOBS).nullable(),
  }),
  z.object({ type: z.literal('job_event'), ...JobEvent.shape }),
  /** A `peer_message`, `offer`, `answer` or `candidate` was passed on. */
  z.object({ type: z.literal('delivered'), request_id: RequestId }),
  z.object({ type: z.literal('pong'), request_id: RequestId }),
  z.object({ type: z.literal('error'), request_id: RequestId, code: z.string().max(64), message: clippedText(1000) }),
]);
export type ServerMessage = z.infer<typeof ServerMessage>;
