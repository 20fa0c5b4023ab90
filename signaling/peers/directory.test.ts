import assert from 'node:assert/strict';
import type { PeerInfo, ServerMessage } from '../../protocol/wire/signaling.ts';
import { PeerDirectory, type PeerLink } from './directory.ts';

const info = (peer_id: string, user_id = 'user-1'): PeerInfo => ({
  peer_id,
  user_id,
  role: 'worker',
  metadata: { tags: [], properties: { status: 'available' } },
  connected_at: '2026-01-01T00:00:00.000Z',
});

function testLink(alive: boolean | Promise<boolean> = true) {
  const sent: ServerMessage[] = [];
  const closed: number[] = [];
  const link: PeerLink = {
    send: (message) => sent.push(message),
    close: (code) => closed.push(code),
    responds: async () => alive,
  };
  return { link, sent, closed, types: () => sent.map(({ type }) => type) };
}

describe('PeerDirectory', () => {
  it('lets the same user’s newer socket take the older one’s place without telling others that it left', async () => {
    const directory = new PeerDirectory();
    const [watcher, older, newer] = [testLink(), testLink(), testLink()];
    await directory.join('room-a', info('watcher'), watcher.link);
    await directory.join('room-a', info('w1'), older.link);
    await directory.join('room-a', info('w1'), newer.link);
    assert.equal(older.closed.length, 1);
    assert.deepEqual(watcher.types(), ['peer_joined', 'peer_joined']);
    directory.leave('room-a', 'w1', older.link);
    assert.equal(directory.find('room-a', 'w1')?.link, newer.link, 'the close of the older socket removes nobody');
  });

  it('refuses a living peer’s name to another user, and gives them a dead one’s', async () => {
    const directory = new PeerDirectory();
    const watcher = testLink();
    await directory.join('room-a', info('watcher'), watcher.link);
    await directory.join('room-a', info('w1'), testLink(true).link);
    await assert.rejects(directory.join('room-a', info('w1', 'user-2'), testLink().link), { code: 'PEER_ID_TAKEN' });
    await directory.join('room-a', info('w2'), testLink(false).link);
    await directory.join('room-a', info('w2', 'user-2'), testLink().link);
    assert.equal(directory.find('room-a', 'w2')?.info.user_id, 'user-2');
    assert.deepEqual(watcher.types(), ['peer_joined', 'peer_joined', 'peer_left', 'peer_joined']);
  });

  it('lets in one of two users who ask for a dead peer’s name at the same time', async () => {
    const directory = new PeerDirectory();
    const { promise: probed, resolve: answer } = Promise.withResolvers<boolean>();
    await directory.join('room-a', info('w1'), testLink(probed).link);
    const racers = ['user-2', 'user-3'].map((user) => directory.join('room-a', info('w1', user), testLink(true).link));
    answer(false);
    const outcomes = await Promise.allSettled(racers);
    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  });

  it('lists peers of before a restart as reconnecting, so that no job is given to them, until they are back or their grace period ends', async () => {
    const directory = new PeerDirectory();
    directory.restore({ 'room-a': [info('w1'), info('w2')] });
    assert.deepEqual(
      directory.peers('room-a').map(({ metadata }) => metadata.properties.status),
      ['reconnecting', 'reconnecting'],
    );
    assert.deepEqual(directory.activeRooms(), []);
    await directory.join('room-a', info('w1', 'user-of-a-new-process'), testLink().link);
    const watcher = testLink();
    await directory.join('room-a', info('watcher'), watcher.link);
    directory.dropReconnecting();
    assert.deepEqual(
      directory.peers('room-a', 'watcher').map(({ peer_id }) => peer_id),
      ['w1'],
    );
    assert.deepEqual(watcher.sent, [{ type: 'peer_left', peer_id: 'w2' }]);
  });
});
