import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { choosePorts } from '../../stack/servers/s3.ts';
import { startServer } from '../../stack/servers/start-server.ts';
import { ensureTools } from '../../stack/setup.ts';
import { Bucket, copyFile, createS3Client, fetchFile, putFile, type S3Client } from '../../storage/index.ts';
import { configFile, containerEnvironment, readComposition } from './composition.ts';

const composition = readComposition();
const settings = {
  AWS_ACCESS_KEY_ID: 'server-key',
  AWS_SECRET_ACCESS_KEY: 'server-secret',
  SLEAP_RTC_WORKER_ACCESS_KEY_ID: 'worker-key',
  SLEAP_RTC_WORKER_SECRET_ACCESS_KEY: 'worker-secret',
  SLEAP_RTC_BUCKET: 'rooms',
  SLEAP_RTC_STATE_BUCKET: 'state',
  SLEAP_RTC_ROOM: 'lab',
};
const OTHER_MODEL = s3Layout.modelFiles('other', 'a3f5e8c9');
const STATE = 'signaling/state.json';

describe('the S3 keys of a worker of docker-compose.yml', function () {
  this.timeout(120_000);

  let dir: string;
  let stop: () => Promise<void>;
  let clients: { server: S3Client; worker: S3Client };
  let rooms: Bucket;
  let state: Bucket;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'worker-keys-'));
    const { weed } = await ensureTools({ parts: ['servers'] });
    const config = join(dir, 's3.json');
    await writeFile(config, configFile(composition, 's3-identities', settings));
    const { child, health } = await startServer('s3', { dir }, async () => {
      const ports = await choosePorts();
      const address = ['-ip=127.0.0.1', '-ip.bind=127.0.0.1', '-s3.port.iceberg=0', '-s3.port.lance=0'];
      const off = ['-webdav=false', '-admin.ui=false', '-master.telemetry=false', '-s3.autoCreateBucket=false'];
      const numbers = Object.entries(ports).map(([name, port]) => `-${name}=${port}`);
      return {
        command: weed,
        args: ['mini', `-dir=${dir}`, ...address, ...off, ...numbers, `-s3.config=${config}`, '-bucket=rooms,state'],
        cwd: dir,
        healthy: async (signal) => {
          const endpoint = `http://127.0.0.1:${ports['s3.port']}`;
          const opened = { server: open('signaling', endpoint), worker: open('gpu-worker', endpoint) };
          for (const name of ['rooms', 'state']) await new Bucket(opened.server, name).check({ signal });
          return opened;
        },
      };
    });
    stop = () => child.stop();
    clients = health;
    const all = new Bucket(clients.server, 'rooms');
    for (const key of [s3Layout.room('lab'), s3Layout.manifest('lab'), s3Layout.room('other')])
      await all.put(key, '{}');
    for (const key of [s3Layout.manifest('other'), OTHER_MODEL, 'lab-2/models/x']) await all.put(key, '{}');
    await new Bucket(clients.server, 'state').put(STATE, '{}');
    [rooms, state] = [new Bucket(clients.worker, 'rooms'), new Bucket(clients.worker, 'state')];
  });
  after(async () => {
    for (const client of Object.values(clients ?? {})) client.destroy();
    await stop?.();
    await rm(dir, { recursive: true, force: true });
  });

  /** A client with the keys that a container finds in its environment. */
  function open(service: string, endpoint: string): S3Client {
    const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = containerEnvironment(composition, service, settings);
    const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
    return createS3Client({ endpoint, region: 'us-east-1', credentials, pathStyle: true, maxAttempts: 1 });
  }

  it('open no other room, no room’s record, no other manifest, and not the server’s state', async () => {
    const refused = { code: 'NOT_ALLOWED' };
    const foreign = [s3Layout.room('lab'), s3Layout.room('other'), s3Layout.manifest('other'), OTHER_MODEL];
    for (const key of [...foreign, 'lab-2/models/x', 'new-room/room.json', 'models/x']) {
      await assert.rejects(rooms.get(key), refused, `reads ${key}`);
      await assert.rejects(rooms.put(key, 'x'), refused, `writes ${key}`);
      await assert.rejects(rooms.remove(key), refused, `removes ${key}`);
    }
    await assert.rejects(rooms.put(s3Layout.manifest('lab'), 'x'), refused, 'only the registry workflow writes it');
    await assert.rejects(rooms.remove(s3Layout.manifest('lab')), refused);
    await assert.rejects(state.get(STATE), refused);
    await assert.rejects(state.put(STATE, 'x'), refused);
    for (const prefix of ['', 'other/']) await assert.rejects(rooms.list(prefix), refused);
    // A copy within S3 is a read of the other key.
    const to = s3Layout.dataset('lab', 'stolen');
    const entry = { path: 'x', size_bytes: 2, sha256: createHash('sha256').update('{}').digest('hex') };
    for (const from of [OTHER_MODEL, s3Layout.room('lab')]) {
      await copyFile(rooms, { from, to, entry }).catch(() => undefined);
      assert.equal(await rooms.get(to), undefined, from);
    }
  });

  it('suffice for a worker’s work: manifest, models, datasets, checkpoints and claims', async () => {
    assert.ok(await rooms.get(s3Layout.manifest('lab')));
    assert.equal(await rooms.get(s3Layout.modelFiles('lab', 'a3f5e8c9')), undefined, 'a missing object is missing');
    const content = randomBytes(20 * 2 ** 20);
    const from = join(dir, 'large');
    await writeFile(from, content);
    const entry = {
      path: 'large',
      size_bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    };
    const dataset = s3Layout.dataset('lab', entry.sha256);
    await putFile(rooms, { key: dataset, from, entry });
    const checkpoint = s3Layout.checkpointFile('lab', 'job00001', 0, entry.sha256);
    assert.equal(await copyFile(rooms, { from: dataset, to: checkpoint, entry }), 'copied');
    const fetched = await fetchFile(rooms, {
      key: checkpoint,
      to: join(dir, 'fetched'),
      entry,
      onBytes: () => undefined,
    });
    assert.equal(fetched, true);
    await rooms.remove(checkpoint);
    const claim = s3Layout.modelClaim('lab', 'a3f5e8c9');
    assert.ok(await rooms.put(claim, '{}', { condition: 'absent' }));
    assert.equal(await rooms.put(claim, '{}', { condition: 'absent' }), undefined);
    await rooms.remove(claim);
  });
});
