import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { acceptPeers } from '../../connection/accept-peers.ts';
import { connectPeer } from '../../connection/connect-peer.ts';
import { enginePairings } from '../../testing/engine-pairings.ts';
import { join as joinRoom } from '../../testing/join.ts';
import { Owned } from '../../testing/owned.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { TestSignaling } from '../../testing/test-signaling.ts';
import { describeFiles } from '../disk/describe-files.ts';
import { receiveFiles } from '../receive/receive-files.ts';
import { sendFiles } from '../send/send-files.ts';
import { StripeEntrance, type StripeLine } from './stripe.ts';
import { stripeOpener } from './stripe-opener.ts';

const SIZE = 128 * 1024 * 1024;

describe('a transfer over several connections', function () {
  this.timeout(30_000);
  const owned = new Owned();
  let from: string;
  let to: string;
  beforeEach(async () => {
    from = owned.add(await temporaryFolder()).path;
    to = owned.add(await temporaryFolder()).path;
    await writeFile(join(from, 'video.mp4'), randomBytes(SIZE));
  });
  afterEach(owned.end);

  /** Receives on a first and two further connections; `amid` is called once, when data has begun to move. */
  async function transfer(amid: (lines: StripeLine[], first: { close(): Promise<void> }) => void) {
    const signaling = owned.add(await TestSignaling.start());
    const pod = owned.add(await joinRoom(signaling.url, 'worker-1', { webRtc: 'auto' }));
    const laptop = owned.add(await joinRoom(signaling.url, 'client-1', { webRtc: 'auto' }));
    const files = await describeFiles([{ absolutePath: join(from, 'video.mp4'), path: 'video.mp4' }]);
    const [sending, receiving] = [new StripeEntrance(), new StripeEntrance()];
    const kinds: (string | undefined)[] = [];
    const sent = Promise.withResolvers<void>();
    owned.add(
      acceptPeers(laptop, async (connection) => {
        kinds.push(connection.purpose.stripe);
        const channel = await connection.acceptChannel();
        if (connection.purpose.stripe !== undefined) return sending.join(channel);
        await sendFiles(channel, files, { striping: { entrance: sending } }).then(sent.resolve, sent.reject);
        await connection.closed;
      }),
    );
    const purpose = { job_id: 'job00001', kind: 'dataset' } as const;
    const connection = owned.add(await connectPeer(pod, { peerId: 'client-1', purpose }));
    const open = stripeOpener(pod, { peerId: 'client-1', purpose });
    const signal = new AbortController().signal;
    const lines: StripeLine[] = [];
    const add = async (tolerant: boolean) => {
      const line = await open({ tolerant, signal });
      lines.push(line);
      await receiving.join(line.channel);
    };
    const joined: Promise<void>[] = [];
    let reportsSince = 0;
    const received = receiveFiles(await connection.openChannel('dataset'), to, {
      striping: { entrance: receiving },
      onProgress: ({ bytes, total_bytes }) => {
        if (bytes === 0 || bytes === total_bytes) return;
        // A quarter of a second after they are there, they have been greeted.
        if (lines.length === 2) reportsSince += 1;
        if (reportsSince === 2) amid(lines, connection);
        if (joined.length === 0) joined.push(add(true), add(false));
      },
    });
    const results = await Promise.allSettled([sent.promise, received]);
    assert.ok(reportsSince >= 2, 'it took long enough to be meddled with');
    await Promise.all(joined);
    await Promise.all(lines.map((line) => line.close()));
    const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'ok'));
    return { codes, kinds };
  }

  const arrived = async () => (await readFile(join(from, 'video.mp4'))).equals(await readFile(join(to, 'video.mp4')));

  it('of both WebRTC stacks at once, each proven, brings the file unchanged', async () => {
    const { codes, kinds } = await transfer(() => undefined);
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.deepEqual(kinds.sort(), ['plain', 'tolerant', undefined]);
    assert.ok(await arrived());
  });

  it('goes on where the first of them ends amid it', async () => {
    const { codes } = await transfer((_, first) => void first.close());
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.ok(await arrived());
  });

  it('goes on where all but one end', async () => {
    const { codes } = await transfer((lines) => {
      for (const line of lines) void line.close();
    });
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.ok(await arrived());
  });

  it('is cut where all end, on both sides', async () => {
    const { codes } = await transfer((lines, first) => {
      for (const line of [...lines, first]) void line.close();
    });
    assert.deepEqual(codes, ['PEER_GONE', 'PEER_GONE']);
  });
});

describe('the stack of a further connection', () => {
  it('is werift where it has to bear loss, whatever failed before', async () => {
    const hasNative = (await enginePairings()).length > 1;
    const owned = new Owned();
    try {
      const signaling = owned.add(await TestSignaling.start());
      const peer = owned.add(await joinRoom(signaling.url, 'client-1', { webRtc: 'auto' }));
      assert.equal(peer.engine({ tolerant: true, failedBefore: true }).name, 'werift');
      assert.equal(peer.engine({ failedBefore: true }).name, hasNative ? 'libdatachannel' : 'werift');
    } finally {
      await owned.end();
    }
  });
});
