import { once } from 'node:events';
import { z } from 'zod';
import { buildProgram } from '../test/paths/build-program.ts';
import type { Host } from '../test/paths/network.ts';
import { withPath } from '../test/paths/with-path.ts';
import type { BenchmarkContext, Row } from './benchmark.ts';
import { median, rounded } from './median.ts';

const RTT_MS = 20;
/** As large as the packets of WebRTC stacks over Ethernet, with the headers of IP and UDP. */
const DATAGRAM_BYTES = 1_250;
/** Three times 70 MB/s, the highest rate that the transfer benchmark must measure over a path. */
const OFFERED_MB_S = 210;
const SECONDS = 3;
const PORT = 7_000;

const Sink = z.object({ packets: z.number(), seconds: z.number() });
const Sent = z.object({ packets: z.number() });

const TCP_SINK = `require('node:net').createServer((socket) => {
  let bytes = 0, began;
  socket.on('data', (data) => { began ??= performance.now(); bytes += data.length; });
  socket.on('end', () => { console.log(bytes / 1e3 / (performance.now() - began)); process.exit(); });
}).listen(${PORT}, () => console.log('ready'));`;
const TCP_SOURCE = `const socket = require('node:net').connect(${PORT}, process.argv[1], () => {
  const data = Buffer.alloc(1 << 20), until = performance.now() + ${SECONDS * 1000};
  const more = () => { while (performance.now() < until) if (!socket.write(data)) return; socket.end(); };
  socket.on('drain', more); more();
});`;

/** Measures the rate that the paths of test/paths carry. It must be three times the highest rate that is measured over them. */
export async function benchmarkPaths({ runs, row, say }: BenchmarkContext): Promise<Row> {
  const blast = await buildProgram('blast');
  const udp: number[] = [];
  const tcp: number[] = [];
  let lost = 0;
  for (let run = 0; run < runs; run += 1) {
    await withPath({ rttMs: RTT_MS }, async ({ laptop, worker, network }) => {
      const sink = worker.run(blast, ['sink', String(PORT)]);
      await once(sink.stdout, 'data');
      const offered = [String(SECONDS), String(DATAGRAM_BYTES), String(OFFERED_MB_S)];
      const sent = await laptop.run(blast, [worker.address, String(PORT), ...offered]);
      const got = Sink.parse(JSON.parse((await sink).stdout.split('\n').at(-1) ?? ''));
      lost += Sent.parse(JSON.parse(sent.stdout)).packets - got.packets;
      udp.push((got.packets * DATAGRAM_BYTES) / 1e6 / SECONDS);
      tcp.push(await tcpRate(laptop, worker));
      const { laptop: link } = await network.stats();
      say(`udp ${udp.at(-1)?.toFixed(0)} MB/s, tcp ${tcp.at(-1)?.toFixed(0)} MB/s, ${link?.up.packets} packets`);
    });
  }
  row({
    name: 'paths',
    what: `udp, ${DATAGRAM_BYTES} bytes each, ${OFFERED_MB_S} MB/s offered`,
    rtt_ms: RTT_MS,
    mb_s: rounded(median(udp), 1),
    lost,
  });
  row({ name: 'paths', what: 'tcp', rtt_ms: RTT_MS, mb_s: rounded(median(tcp), 1) });
  return {
    name: 'summary',
    runs,
    udp_mb_s: rounded(median(udp), 1),
    udp_lost: lost,
    tcp_mb_s: rounded(median(tcp), 1),
  };
}

async function tcpRate(from: Host, to: Host): Promise<number> {
  for (const host of [from, to]) {
    // With the usual windows of 4 and 6 MB the window would be measured, not the path.
    const limits = ['tcp_rmem', 'tcp_wmem'].map((name) => `echo 4096 131072 100000000 > /proc/sys/net/ipv4/${name}`);
    await host.run('sh', ['-c', limits.join(' && ')]);
  }
  const sink = to.run(process.execPath, ['-e', TCP_SINK]);
  await once(sink.stdout, 'data');
  await from.run(process.execPath, ['-e', TCP_SOURCE, to.address]);
  return Number((await sink).stdout.split('\n').at(-1));
}
