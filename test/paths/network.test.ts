import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Host } from './network.ts';
import { Network } from './network.ts';
import { whyNoPaths, withPath } from './with-path.ts';

/** Sends `count` datagrams, one each ms, and prints the round-trip time of each that came back: {"rtts":[…]}, in ms. */
const ASK = `
const [, address, count, bytes] = process.argv;
const socket = require('node:dgram').createSocket('udp4');
const rtts = [];
socket.on('message', (data) => rtts.push(performance.now() - data.readDoubleBE(0)));
let sent = 0;
const timer = setInterval(() => {
  const data = Buffer.alloc(Number(bytes));
  data.writeDoubleBE(performance.now(), 0);
  if (sent++ < Number(count)) return socket.send(data, 7000, address);
  clearInterval(timer);
  setTimeout(() => { console.log(JSON.stringify({ rtts })); process.exit(); }, 300);
}, 1);`;
const ECHO = `
const socket = require('node:dgram').createSocket('udp4');
socket.on('message', (data, { address, port }) => { socket.send(data, port, address); });
socket.bind(7000, () => console.log('ready'));`;

/** Round-trip times in ms of the packets that came back. */
async function ask(from: Host, to: Host, { count = 200, bytes = 100 } = {}) {
  const echo = to.run(process.execPath, ['-e', ECHO], { stdin: 'ignore', reject: false, buffer: false });
  try {
    await once(echo.stdout, 'data');
    const asked = await from.run(process.execPath, ['-e', ASK, to.address, String(count), String(bytes)]);
    return JSON.parse(asked.stdout) as { rtts: number[] };
  } finally {
    echo.kill('SIGKILL');
    await echo;
  }
}

describe('the network of the path tests and benchmarks', function () {
  this.timeout(30_000);
  before(async function () {
    const reason = await whyNoPaths();
    if (reason !== undefined) {
      process.stderr.write(`left out: ${reason}\n`);
      this.skip();
    }
  });

  it('delays as configured, and loses nothing', () =>
    withPath({ rttMs: 40 }, async ({ laptop, worker }) => {
      const { rtts } = await ask(laptop, worker);
      assert.equal(rtts.length, 200);
      const fastest = Math.min(...rtts);
      assert.ok(fastest >= 40 && fastest < 50, `the fastest round trip took ${fastest} ms`);
    }));

  it('loses the configured share, the same packets in each run', async () => {
    const lost = () =>
      withPath({ lossPercent: 10 }, async ({ laptop, worker, network }) => {
        await ask(laptop, worker, { count: 1000 });
        return (await network.stats()).laptop?.up.lost ?? 0;
      });
    const first = await lost();
    assert.ok(first > 60 && first < 140, `${first} of 1000 were lost`);
    assert.equal(await lost(), first);
  });

  it('limits the rate, and drops what does not fit its queue', () =>
    withPath({ mbitPerSecond: 4, queueBytes: 20_000 }, async ({ laptop, worker, network }) => {
      // 1,000 bytes each ms are twice what the link carries.
      const { rtts } = await ask(laptop, worker, { count: 400, bytes: 1_000 });
      assert.ok(rtts.length > 180 && rtts.length < 300, `${rtts.length} of 400 came back`);
      assert.ok(Math.max(...rtts) > 35, 'the queue makes packets wait');
      assert.ok(((await network.stats()).laptop?.up.overflowed ?? 0) > 100);
    }));

  it('lets nothing through while it is cut, and all again when restored', () =>
    withPath({}, async ({ laptop, worker, network }) => {
      await network.cut('laptop');
      assert.equal((await ask(laptop, worker)).rtts.length, 0);
      await network.restore('laptop');
      assert.equal((await ask(laptop, worker)).rtts.length, 200);
    }));

  it('drops packets that are too large for a link, without an error', () =>
    withPath({ narrowBytes: 1_300 }, async ({ laptop, worker }) => {
      assert.equal((await ask(laptop, worker, { bytes: 1_272 })).rtts.length, 200);
      assert.equal((await ask(laptop, worker, { bytes: 1_273 })).rtts.length, 0);
    }));

  it('separates hosts behind different NATs, but lets them reach a public host', async () => {
    const network = await Network.start({
      nats: [
        { name: 'home', address: '192.0.2.1', kind: 'symmetric' },
        { name: 'lab', address: '192.0.2.2', kind: 'full-cone' },
      ],
      hosts: [
        { name: 'laptop', address: '10.1.0.2', nat: 'home' },
        { name: 'worker', address: '10.2.0.2', nat: 'lab' },
        { name: 'server', address: '198.51.100.1' },
      ],
    });
    try {
      assert.equal((await ask(network.host('laptop'), network.host('worker'))).rtts.length, 0);
      assert.equal((await ask(network.host('laptop'), network.host('server'))).rtts.length, 200);
      assert.equal((await ask(network.host('server'), network.host('worker'))).rtts.length, 0);
    } finally {
      await network[Symbol.asyncDispose]();
    }
  });
});
