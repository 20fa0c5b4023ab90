import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectPeer } from '../../connection/connect-peer.ts';
import { join as joinRoom } from '../../testing/join.ts';
import { Owned } from '../../testing/owned.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { TestSignaling } from '../../testing/test-signaling.ts';
import { acceptTransfers } from '../accept-transfers.ts';
import { describeFiles } from '../disk/describe-files.ts';
import { receiveFiles } from '../receive/receive-files.ts';
import { sendFiles } from '../send/send-files.ts';
import type { TransferSide } from '../wire/transfer-channel.ts';
import { stripeOpener } from './stripe-channels.ts';
import { StripeGroup } from './stripe-group.ts';
import { StripeLobby } from './stripe-lobby.ts';
import type { Stripe } from './widening.ts';

const SIZE = 128 * 1024 * 1024;

describe('a transfer over several connections', function () {
  this.timeout(120_000);
  const owned = new Owned();
  let from: string;
  let to: string;
  beforeEach(async () => {
    from = owned.add(await temporaryFolder()).path;
    to = owned.add(await temporaryFolder()).path;
    await writeFile(join(from, 'video.mp4'), randomBytes(SIZE));
  });
  afterEach(owned.end);

  /** Receives on a first and two further connections. `meddle` is called once, when data moves on all of them. */
  async function transfer(meddle: (stripes: Stripe[], first: { close(): Promise<void> }) => void) {
    const signaling = owned.add(await TestSignaling.start());
    const worker = owned.add(await joinRoom(signaling.url, 'worker-1', { webRtc: 'auto' }));
    const client = owned.add(await joinRoom(signaling.url, 'client-1', { webRtc: 'auto' }));
    const files = await describeFiles([{ absolutePath: join(from, 'video.mp4'), path: 'video.mp4' }]);
    const sent = Promise.withResolvers<void>();
    let transfers = 0;
    owned.add(
      acceptTransfers(client, async (channel, connection) => {
        transfers += 1;
        await sendFiles(channel, files).then(sent.resolve, sent.reject);
        await connection.closed;
      }),
    );
    const purpose = { job_id: 'job00001', kind: 'dataset' } as const;
    const connection = owned.add(await connectPeer(worker, { peerId: 'client-1', purpose }));
    const first = await connection.openChannel('dataset');
    const open = stripeOpener(worker, { peerId: 'client-1', purpose });
    let receiving: StripeGroup | undefined;
    const group = (side: TransferSide) => {
      receiving = new StripeGroup(side, first, { lobby: new StripeLobby() });
      return receiving;
    };
    const stripes: Stripe[] = [];
    const add = async () => {
      const stripe = await open(new AbortController().signal);
      stripes.push(stripe);
      await receiving?.add(stripe);
    };
    const joined: Promise<void>[] = [];
    let reportsSince = 0;
    const received = receiveFiles(Object.assign(first, { group }), to, {
      onProgress: ({ bytes, total_bytes }) => {
        if (bytes === 0 || bytes === total_bytes) return;
        // A quarter of a second after both were opened, they have joined the transfer.
        if (stripes.length === 2) reportsSince += 1;
        if (reportsSince === 2) meddle(stripes, connection);
        if (joined.length === 0) joined.push(add(), add());
      },
    });
    const results = await Promise.allSettled([sent.promise, received]);
    assert.ok(reportsSince >= 2, 'it took long enough to be meddled with');
    await Promise.all(joined);
    await Promise.all(stripes.map((stripe) => stripe.close()));
    const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'ok'));
    return { codes, transfers };
  }

  const arrived = async () => (await readFile(join(from, 'video.mp4'))).equals(await readFile(join(to, 'video.mp4')));

  it('brings the file unchanged', async () => {
    const { codes, transfers } = await transfer(() => undefined);
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.equal(transfers, 1, 'further connections begin no transfer');
    assert.ok(await arrived());
  });

  it('goes on if the first of them ends', async () => {
    const { codes } = await transfer((_, first) => void first.close());
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.ok(await arrived());
  });

  it('goes on if all but one end', async () => {
    const { codes } = await transfer((stripes) => {
      for (const stripe of stripes) void stripe.close();
    });
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.ok(await arrived());
  });

  it('fails on both sides if all end', async () => {
    const { codes } = await transfer((stripes, first) => {
      for (const each of [...stripes, first]) void each.close();
    });
    assert.deepEqual(codes, ['PEER_GONE', 'PEER_GONE']);
  });
});
