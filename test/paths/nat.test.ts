import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath } from '../../stack/processes/find-on-path.ts';
import type { WebRtcChoice } from '../../transport/index.ts';
import { enginePairings } from '../../transport/testing/engine-pairings.ts';
import { Owned } from '../../transport/testing/owned.ts';
import { temporaryFolder } from '../../transport/testing/temporary-folder.ts';
import { type NatSpec, Network } from './network.ts';
import { startCoturn, startSignaling } from './servers.ts';
import { TransferProcess } from './transfer-process.ts';
import { whyNoPaths } from './with-path.ts';

const SECRET = 'secret of the relay';
const SERVER = '198.51.100.1';
const HOME = '192.0.2.1';
const LAB = '192.0.2.2';

const pairings = await enginePairings();

describe('peers behind NATs', function () {
  this.timeout(120_000);
  const owned = new Owned();
  let turnserver: string;

  before(async function () {
    const program = await findOnPath('turnserver');
    const reason = program === undefined ? 'no coturn here' : await whyNoPaths();
    if (program === undefined || reason !== undefined) {
      process.stderr.write(`left out: ${reason}\n`);
      this.skip();
    }
    turnserver = program;
  });
  afterEach(owned.end);

  interface Situation {
    nats: NatSpec[];
    /** NAT of the researcher’s laptop, and of the worker. */
    laptop: string;
    worker: string;
    /** The TURN URLs that the signaling server gives peers; it runs on the same host as coturn. */
    turnUrls: (turn: string) => string[];
    megabytes: number;
    offerer: WebRtcChoice;
    answerer: WebRtcChoice;
  }

  /** Moves a file from the laptop to the worker; returns the route that each side reports. */
  async function transfer(situation: Situation): Promise<{ laptop: string | undefined; worker: string | undefined }> {
    const { nats, laptop, worker, turnUrls, megabytes, offerer, answerer } = situation;
    const network = owned.add(
      await Network.start({
        nats,
        hosts: [
          { name: 'laptop', address: '10.1.0.2', nat: laptop },
          { name: 'worker', address: '10.2.0.2', nat: worker },
          { name: 'server', address: SERVER },
        ],
      }),
    );
    const dir = owned.add(await temporaryFolder()).path;
    const server = network.host('server');
    const turn = owned.add(await startCoturn(server, { program: turnserver, secret: SECRET, dir }));
    const ice = { stunUrls: [turn.stunUrl], turnUrls: turnUrls(turn.url), turnSecret: SECRET };
    const signaling = owned.add(await startSignaling(server, ice));

    const [from, to] = [join(dir, 'from'), join(dir, 'to')];
    await Promise.all([mkdir(from), mkdir(to)]);
    const content = randomBytes(megabytes * 1e6);
    await writeFile(join(from, 'labels.slp'), content);
    const start = (host: string, role: string, folder: string, webRtc: WebRtcChoice) =>
      owned.add(new TransferProcess(network.host(host), { role, serverUrl: signaling.url, folder, webRtc }));
    const sender = start('laptop', 'send', from, answerer);
    await sender.until(({ ready }) => ready === true);
    const receiver = start('worker', 'receive', to, offerer);
    await receiver.until(({ received }) => received === 1);
    const sha256 = (data: Buffer) => createHash('sha256').update(data).digest('hex');
    assert.equal(sha256(await readFile(join(to, 'labels.slp'))), sha256(content));
    const routeOf = async (side: TransferProcess) => (await side.until(({ route }) => route !== undefined)).route;
    return { laptop: await routeOf(sender), worker: await routeOf(receiver) };
  }

  const symmetric: NatSpec[] = [
    { name: 'home', address: HOME, kind: 'symmetric' },
    { name: 'lab', address: LAB, kind: 'symmetric' },
  ];

  for (const { name, offerer, answerer } of pairings) {
    it(`move 64 MB intact through the relay if there is no direct path, ${name}`, async () => {
      const routes = await transfer({
        nats: symmetric,
        laptop: 'home',
        worker: 'lab',
        turnUrls: (turn) => [`${turn}?transport=udp`],
        megabytes: 64,
        offerer,
        answerer,
      });
      assert.deepEqual(routes, { laptop: 'relay', worker: 'relay' });
    });

    it(`connect directly, by STUN, behind two full-cone NATs, ${name}`, async () => {
      const routes = await transfer({
        nats: symmetric.map((nat) => ({ ...nat, kind: 'full-cone' })),
        laptop: 'home',
        worker: 'lab',
        turnUrls: () => [],
        megabytes: 8,
        offerer,
        answerer,
      });
      assert.deepEqual(routes, { laptop: 'direct', worker: 'direct' });
    });
  }

  it('connect directly behind two port-restricted NATs, though there is a relay', async () => {
    const routes = await transfer({
      nats: symmetric.map((nat) => ({ ...nat, kind: 'port-restricted' })),
      laptop: 'home',
      worker: 'lab',
      turnUrls: (turn) => [`${turn}?transport=udp`],
      megabytes: 8,
      offerer: 'auto',
      answerer: 'auto',
    });
    assert.deepEqual(routes, { laptop: 'direct', worker: 'direct' });
  });

  it('connect directly behind one full-cone NAT', async () => {
    const routes = await transfer({
      nats: [{ name: 'home', address: HOME, kind: 'full-cone' }],
      laptop: 'home',
      worker: 'home',
      turnUrls: () => [],
      megabytes: 8,
      offerer: 'auto',
      answerer: 'auto',
    });
    assert.deepEqual(routes, { laptop: 'direct', worker: 'direct' });
  });

  it('move data through a relay that is reached over TCP only, with the stack that can', async () => {
    const routes = await transfer({
      nats: symmetric,
      laptop: 'home',
      worker: 'lab',
      turnUrls: (turn) => [`${turn}?transport=tcp`],
      megabytes: 16,
      offerer: 'auto',
      answerer: 'auto',
    });
    assert.deepEqual(routes, { laptop: 'relay', worker: 'relay' });
  });
});
