import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { WebSocket } from 'ws';

/** One room that somebody attacks who has only its token. */
export interface HostileRoom {
  url: string;
  roomId: string;
  token: string;
  /** From where the attack comes, as the proxy in front of the server would say it. */
  address: string;
}

/** Sockets of each kind, and how many messages each sends as fast as it can. */
const REPORTERS = 4;
const REPORTS = 480;
const SLOW_READERS = 8;
const TALKERS = 1;
const TALKS = 3;
const UPDATERS = 2;
const UPDATES = 230;
const OFFERS = 8;

/** A character that takes three bytes on the wire and two in memory. */
const WIDE = '水';

/**
 * Tries to fill the server's memory in every way that a socket has: reports about sessions that do not exist, long texts for
 * everyone, metadata that changes all the time, descriptions for peers that do not read. A refusal counts as nothing.
 * @returns the sockets, which are still open; whoever calls closes them
 */
export async function attackRoom(room: HostileRoom): Promise<WebSocket[]> {
  const enter = (role: 'worker' | 'client') => enterRoom(room, role);
  const slow = await Promise.all(Array.from({ length: SLOW_READERS }, () => enter('client')));
  for (const { socket } of slow) socket.pause();
  const reporters = await Promise.all(Array.from({ length: REPORTERS }, () => enter('worker')));
  const talkers = await Promise.all(Array.from({ length: TALKERS }, () => enter('client')));
  const updaters = await Promise.all(Array.from({ length: UPDATERS }, () => enter('worker')));
  const offerer = await enter('client');

  await Promise.all([
    ...reporters.map(({ socket }, peer) =>
      sendMany(socket, REPORTS, (n) => ({
        type: 'job_progress',
        session_id: 's'.repeat(64),
        progress: {
          job_id: `job${String(peer * 8 + (n % 8)).padStart(8, '0')}`,
          phase: 'training',
          detail: `${n} ${WIDE.repeat(990)}`,
        },
      })),
    ),
    ...talkers.map(({ socket }) =>
      sendMany(socket, TALKS, (n) => ({
        type: 'peer_message',
        to_peer_id: '*',
        payload: { type: 'job_complete', job_id: 'job00000001', worker: `${n} ${'w'.repeat(200_000)}`, model_ids: [] },
      })),
    ),
    ...updaters.map(({ socket }) =>
      sendMany(socket, UPDATES, (n) => ({
        type: 'update_metadata',
        metadata: { tags: [], properties: Object.fromEntries(many(30, (i) => [`p${i}`, `${n} ${'m'.repeat(990)}`])) },
      })),
    ),
    sendMany(offerer.socket, OFFERS, (n) => ({
      type: 'offer',
      target: slow[n % slow.length]?.peerId,
      connection_id: 'connection-1',
      sdp: `${n} ${'v'.repeat(60_000)}`,
      purpose: { job_id: 'job00000001', kind: 'dataset' },
    })),
  ]);
  return [...slow, ...reporters, ...talkers, ...updaters, offerer].map(({ socket }) => socket);
}

function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

async function enterRoom({ url, roomId, token, address }: HostileRoom, role: string) {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/ws`, { headers: { 'x-forwarded-for': address } });
  socket.on('error', () => undefined);
  await once(socket, 'open');
  const peerId = `evil-${randomUUID()}`;
  const metadata = {
    tags: [],
    properties: Object.fromEntries(many(25, (i) => [`p${i}`, many(250, (n) => `${n % 10}`)])),
  };
  socket.send(
    JSON.stringify({ type: 'register', peer_id: peerId, room_id: roomId, role, token, id_token: 'id-0', metadata }),
  );
  await Promise.race([once(socket, 'message'), once(socket, 'close')]);
  // A peer that says something counts as alive, also if it never reads.
  const alive = setInterval(() => socket.send('{"type":"ping"}', () => undefined), 2000);
  socket.on('close', () => clearInterval(alive));
  return { socket, peerId };
}

/** Sends until the server closes the socket, with at most some megabytes on their way. */
async function sendMany(socket: WebSocket, count: number, message: (n: number) => object): Promise<void> {
  for (let n = 0; n < count && socket.readyState === socket.OPEN; n += 1) {
    socket.send(JSON.stringify(message(n)), () => undefined);
    if (n % 16 === 0) await turn();
    while (socket.bufferedAmount > 1024 * 1024 && socket.readyState === socket.OPEN) await sleep(5);
  }
}
