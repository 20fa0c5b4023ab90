import assert from 'node:assert/strict';
import { SessionDescription } from 'werift';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type ClientMessage, type PeerInfo, ServerMessage } from '../../protocol/wire/signaling.ts';
import { PeerDirectory, type PeerLink } from '../../signaling/peers/directory.ts';
import { parseClientMessage } from '../../signaling/peers/parse-client-message.ts';
import { route } from '../../signaling/peers/routing.ts';
import { maxMessageBytes } from '../../transport/connection/message-size.ts';
import { parseMessage, ReceiverMessage, SenderMessage } from '../../transport/file-transfer/wire/messages.ts';
import { decodePiece, encodePiece } from '../../transport/file-transfer/wire/pieces.ts';
import { FingerprintPin } from '../../transport/proof/fingerprint.ts';
import { ProofExchange } from '../../transport/proof/proof-exchange.ts';
import { mutateBytes, mutateJson, mutateText, type Random } from './mutate.ts';

/** A reader of what strangers send. */
export interface Target {
  name: string;
  /** One input, made by damaging a valid one. */
  make(random: Random): string | Uint8Array;
  /** Reads it. Throws anything but an error of ours if the reader is wrong. */
  read(input: string | Uint8Array): void;
}

const SDP = [
  ...['v=0', 'o=- 4611731400430051336 2 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0', 'a=msid-semantic: WMS'],
  ...['m=application 9 UDP/DTLS/SCTP webrtc-datachannel', 'c=IN IP4 0.0.0.0', 'a=ice-ufrag:4ZcD'],
  ...['a=ice-pwd:2/1muCWoOi3uLifh0NuRHlNi', 'a=ice-options:trickle', `a=fingerprint:sha-256 ${'0A:'.repeat(31)}0B`],
  ...['a=setup:actpass', 'a=mid:0', 'a=sctp-port:5000', 'a=max-message-size:262144'],
  ...['a=candidate:1 1 udp 2130706431 192.0.2.1 49203 typ host', 'a=end-of-candidates', ''],
].join('\r\n');

const JOB = 'job00001';
const FRAMES: readonly ClientMessage[] = [
  { type: 'ping', request_id: '1' },
  { type: 'discover_peers', request_id: '2', filters: { role: 'worker', properties: { gpu_memory_mb: { $gte: 1 } } } },
  { type: 'update_metadata', request_id: '3', metadata: { tags: ['a40'], properties: { job_id: JOB, models: ['x'] } } },
  { type: 'offer', target: 'w', connection_id: 'connection-1', sdp: SDP, purpose: { job_id: JOB, kind: 'dataset' } },
  { type: 'answer', target: 'w', connection_id: 'connection-1', sdp: SDP },
  {
    type: 'candidate',
    target: 'w',
    connection_id: 'connection-1',
    candidate: { candidate: 'candidate:1 1 udp 1 192.0.2.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0 },
  },
  {
    type: 'peer_message',
    request_id: '4',
    to_peer_id: '*',
    payload: { type: 'job_request', job_id: JOB, kind: 'training', requirements: {}, total_bytes: 7 },
  },
  { type: 'peer_message', to_peer_id: 'w', payload: { type: 'registry_query', model_ids: ['a3f5e8c9'] } },
  { type: 'peer_message', to_peer_id: 'w', payload: { type: 'drain_request', drain: true, exit: false } },
  { type: 'job_progress', session_id: 'session', progress: { job_id: JOB, phase: 'training', detail: 'x' } },
  { type: 'subscribe_jobs', request_id: '5', job_id: JOB, since_seq: 3 },
];

const SENDER: readonly SenderMessage[] = [
  { type: 'hello', protocol: 'sleap-rtc-files', version: 1 },
  { type: 'offer', files: [{ path: 'a/b.slp', size_bytes: 7, sha256: 'a'.repeat(64) }], last: true },
  { type: 'error', code: 'DISK_FULL', message: 'full' },
];
const RECEIVER: readonly ReceiverMessage[] = [
  { type: 'hashes', file: 0, first: 0, count: 3 },
  { type: 'want', file: 0, first: 0, count: 3, had_bytes: 0 },
  { type: 'done', had_bytes: 7 },
];

/** Everything that reads what strangers send. */
export function targets(): Target[] {
  return [
    frames(),
    json('messages of a sender', SENDER, (text) => parseMessage(SenderMessage, text)),
    json('messages of a receiver', RECEIVER, (text) => parseMessage(ReceiverMessage, text)),
    pieces(),
    proofs(),
    descriptions(),
  ];
}

function json(name: string, valid: readonly object[], read: (text: string) => unknown): Target {
  return {
    name,
    make: (random) => mutateJsonText(random, valid),
    read: (text) => void onlyOurErrors(() => read(String(text))),
  };
}

/** Frames of a member of the room. What the server answers or passes on must be what its clients understand. */
function frames(): Target {
  const directory = new PeerDirectory();
  const link: PeerLink = {
    send: (message) => void ServerMessage.parse(JSON.parse(JSON.stringify(message))),
    close: () => undefined,
    responds: async () => true,
  };
  for (const peer_id of ['w', 'c']) {
    const metadata: PeerInfo['metadata'] = { tags: ['a40'], properties: { gpu_memory_mb: 8000, models: ['x'] } };
    const info = { peer_id, role: 'worker', user_id: 'user-1', metadata, connected_at: '' } as const;
    void directory.join('room', info, link);
  }
  const jobViews = {
    report: () => undefined,
    hint: () => undefined,
    peerLeft: () => undefined,
    subscribe: async () => undefined,
  };
  const services = { directory, jobViews: { ...jobViews, unsubscribe: () => undefined } };
  const who = { roomId: 'room', peerId: 'c', role: 'worker', userId: 'user-1' } as const;
  const self = { ...who, access: 'member', identityEndsAt: undefined } as const;
  return {
    name: 'frames',
    make: (random) => mutateJsonText(random, FRAMES),
    read(frame) {
      const parsed = parseClientMessage(frame, typeof frame !== 'string');
      if ('error' in parsed) return;
      const reply = onlyOurErrors(() => route(services, self, parsed.message, link));
      if (reply !== undefined) link.send(reply as ServerMessage);
    },
  };
}

function pieces(): Target {
  const valid = encodePiece({ kind: 'data', file: 1, block: 2, offset: 3, data: new Uint8Array(40) });
  return {
    name: 'binary messages',
    make: (random) => mutateBytes(random, valid),
    read: (bytes) => void onlyOurErrors(() => decodePiece(bytes as Uint8Array)),
  };
}

/** Strangers' proofs: none of them may be accepted. */
function proofs(): Target {
  const messages = [`nonce 1 ${'A'.repeat(43)}`, `proof ${'A'.repeat(43)}`, 'proven', 'refused'];
  return {
    name: 'proofs',
    make: (random) => [0, 1, 2].map(() => mutateText(random, random.pick(messages))).join('\n'),
    read(text) {
      const ofBoth = { offerer: 'a', answerer: 'b' };
      const purpose = { job_id: JOB, kind: 'dataset' } as const;
      const exchange = new ProofExchange({
        roomKey: 'k'.repeat(43),
        side: 'offerer',
        transcript: () => ({ connectionId: 'connection-1', purpose, peerIds: ofBoth, fingerprints: ofBoth }),
        send: () => undefined,
        onProven: () => assert.fail('a stranger was believed'),
        onRefused: () => undefined,
      });
      exchange.start();
      for (const message of [`nonce 1 ${'A'.repeat(43)}`, ...String(text).split('\n')]) exchange.receive(message);
      exchange.stop();
      assert.equal(exchange.peerIsProven, false);
    },
  };
}

function descriptions(): Target {
  return {
    name: 'session descriptions',
    make: (random) => mutateText(random, SDP),
    read(text) {
      const sdp = String(text);
      const pin = new FingerprintPin();
      onlyOurErrors(() => pin.check(sdp));
      const size = maxMessageBytes(sdp);
      assert.ok(size > 0 && size <= 256 * 1024, `a message size of ${size}`);
      try {
        SessionDescription.parse(sdp);
      } catch (error) {
        // The connection is given up with PEER_UNREACHABLE, whatever werift throws.
        assert.ok(error instanceof Error);
      }
    },
  };
}

function mutateJsonText(random: Random, valid: readonly object[]): string {
  const message = random.pick(valid);
  if (random.below(2) === 0) return mutateText(random, JSON.stringify(message));
  return JSON.stringify(mutateJson(random, message)) ?? '';
}

/** Returns what `read` returns, or undefined if it throws an error with one of our codes. */
function onlyOurErrors<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SleapRtcError && error.code !== 'INTERNAL') return undefined;
    throw error;
  }
}
