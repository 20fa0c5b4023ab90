import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { createTurnClient } from 'werift';
import { findOnPath } from '../../stack/processes/find-on-path.ts';
import { freePort } from '../../stack/processes/ports.ts';
import { type RunningServer, startServer } from '../../stack/servers/start-server.ts';
import { configFile, readComposition } from './composition.ts';

const SECRET = 'turn-secret-of-the-test';

/** Private, link-local, loopback, shared, reserved and metadata addresses (IANA's special-purpose registries). */
const DENIED_IPV4 = [
  ...['0.0.0.1', '10.0.0.1', '10.255.255.254', '100.64.0.1', '100.127.255.254', '100.100.100.200', '127.0.0.1'],
  ...['127.255.255.254', '168.63.129.16', '169.254.169.254', '172.16.0.1', '172.31.255.254', '192.0.0.192'],
  ...['192.168.0.1', '192.168.255.254', '198.18.0.1', '224.0.0.251', '255.255.255.255'],
];
const DENIED_IPV6 = [
  ...['::1', '::ffff:10.0.0.1', '::ffff:127.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::1', '2001:0:1::1', '2002:a00:1::1'],
  ...['fc00::1', 'fd00:ec2::254', 'fe80::1', 'ff02::fb'],
];
const PUBLIC_IPV4 = ['8.8.8.8', '100.63.255.254', '100.128.0.1', '172.15.0.1', '172.32.0.1', '192.169.0.1', '11.0.0.1'];
const PUBLIC_IPV6 = ['2001:4860:4860::8888', '2600::1'];

/** This machine's IPv4 address on a network. */
const OWN = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

describe('the relay, with the configuration of docker-compose.yml', function () {
  this.timeout(60_000);

  let dir: string;
  let turnserver: string;
  /** coturn's own client, which also allocates IPv6 and TCP relays. */
  let uclient: string;
  let server: RunningServer<number> | undefined;

  before(async function () {
    const program = await findOnPath('turnserver');
    uclient = (await findOnPath('turnutils_uclient')) ?? '';
    // coturn cannot be installed without root.
    if (program === undefined || uclient === '') return this.skip();
    turnserver = program;
    dir = await mkdtemp(join(tmpdir(), 'turnserver-'));
  });
  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });
  after(async () => {
    if (dir !== undefined) await rm(dir, { recursive: true });
  });

  /** Starts coturn at a port of its own. The addresses are this test's; everything else is the composition's. */
  async function start(relayIps: string[], settings: Record<string, string> = {}): Promise<number> {
    const set = { SLEAP_RTC_PUBLIC_HOST: 'lab.test', SLEAP_RTC_TURN_SECRET: SECRET, ...settings };
    const text = configFile(readComposition(), 'turnserver', set)
      .replace(/^listening-port=.*$/m, '')
      .replace(/^pidfile=.*$/m, `pidfile=${dir}/turn.pid`);
    server = await startServer('turn', { dir }, async () => {
      const port = await freePort();
      const own = ['listening-ip=127.0.0.1', `listening-port=${port}`, `userdb=${dir}/turndb`];
      const lines = [text, ...own, ...relayIps.map((ip) => `relay-ip=${ip}`), ''];
      await writeFile(join(dir, 'turn.conf'), lines.join('\n'));
      return { command: turnserver, args: ['-c', join(dir, 'turn.conf')], healthy: () => accepts(port) };
    });
    return server.health;
  }

  async function allocate(port: number) {
    const username = `${Math.floor(Date.now() / 1000) + 600}:user-1`;
    const password = createHmac('sha1', SECRET).update(username).digest('base64');
    return createTurnClient({ address: ['127.0.0.1', port], username, password });
  }

  it('refuses private, link-local, loopback, shared and metadata addresses, and no public one', async () => {
    const turn = await allocate(await start(['127.0.0.1']));
    try {
      const refused: string[] = [];
      for (const address of [...DENIED_IPV4, ...PUBLIC_IPV4]) {
        await turn.getPermission([address, 7233]).catch((error: unknown) => {
          assert.equal(codeOf(error), 403, address);
          refused.push(address);
        });
      }
      assert.deepEqual(refused, DENIED_IPV4);
    } finally {
      await turn.close();
    }
  });

  it('refuses the same over IPv6, and IPv4 addresses that are written as IPv6 ones', async function () {
    const port = await start(['::1', '127.0.0.1']).catch(() => undefined);
    if (port === undefined) return this.skip(); // no IPv6 here
    const answers = await Promise.all(
      [...DENIED_IPV6, ...PUBLIC_IPV6].map(async (address) => {
        const flags = ['-x', '-c', '-n', '1', '-p', String(port), '-u', 'user-1', '-W', SECRET, '-e', address];
        const ended = await execa(uclient, [...flags, '127.0.0.1'], {
          timeout: 3_000,
          reject: false,
          all: true,
        });
        return { address, isRefused: ended.all.includes('403 (Forbidden IP)') };
      }),
    );
    assert.deepEqual(
      answers.filter(({ isRefused }) => isRefused).map(({ address }) => address),
      DENIED_IPV6,
    );
  });

  it('does not reach a listener on a loopback address of this machine', async () => {
    const turn = await allocate(await start(['127.0.0.1']));
    const listener = createSocket('udp4').bind(0, '127.0.0.1');
    await once(listener, 'listening');
    let received = 0;
    listener.on('message', () => {
      received += 1;
    });
    try {
      const address = ['127.0.0.1', listener.address().port] as const;
      await assert.rejects(
        turn.sendData(Buffer.from('GET / HTTP/1.1'), [...address]),
        (error) => codeOf(error) === 403,
      );
      // What is sent directly arrives after anything that the relay had sent.
      createSocket('udp4').unref().send('direct', address[1], address[0]);
      await once(listener, 'message');
      assert.equal(received, 1);
    } finally {
      await turn.close();
      listener.close();
    }
  });

  it('reaches its own address, at which two relayed peers meet, if the admin names it', async function () {
    if (OWN === undefined) return this.skip();
    const turn = await allocate(await start([OWN], { SLEAP_RTC_TURN_OWN_IP: OWN }));
    const listener = createSocket('udp4').bind(0, OWN);
    await once(listener, 'listening');
    try {
      const received = once(listener, 'message');
      await turn.sendData(Buffer.from('hello'), [OWN, listener.address().port]);
      assert.equal(String((await received)[0]), 'hello');
    } finally {
      await turn.close();
      listener.close();
    }
  });

  it('does not relay TCP, by which it would reach web servers and databases', async () => {
    const port = await start(['127.0.0.1']);
    const flags = ['-T', '-t', '-n', '1', '-p', String(port), '-u', 'user-1', '-W', SECRET, '-e', '8.8.8.8'];
    const { all } = await execa(uclient, [...flags, '127.0.0.1'], {
      timeout: 5_000,
      reject: false,
      all: true,
    });
    assert.match(all, /error 442 \(TCP Transport is not allowed/);
  });
});

/** The error code of the relay's answer (RFC 8656, 18.12). */
function codeOf(error: unknown): unknown {
  const { response } = error as { response?: { getAttributeValue(name: string): unknown[] } };
  return response?.getAttributeValue('ERROR-CODE')[0];
}

/** @returns the port if something listens there */
function accepts(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(port);
    });
    socket.once('error', () => resolve(undefined));
  });
}
