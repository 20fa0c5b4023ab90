import { once } from 'node:events';
import { z } from 'zod';
import { longPath, OURS } from './compared.ts';
import type { Place } from './places.ts';
import { type SentFile, transferOnce } from './transfer-once.ts';

/** A path that both fill: 200 Mbit/s, a round trip of 20 ms, and a queue that holds as much. */
export const SHARED = { rttMs: 20, mbitPerSecond: 200, queueBytes: 500_000 } as const;
/** The most payload that the path carries, in MB/s: 1,448 of each 1,500 bytes. */
const PATH_MB_S = (25 * 1448) / 1500;
/** How much we send meanwhile, in MB. */
export const BESIDE_MEGABYTES = 24;
/** Head start of the TCP flow in ms, so that it finds its rate first. */
const HEAD_START_MS = 2_000;
const LIMIT_MS = 60_000;
const PORT = 7_100;

const SINK = `require('node:net').createServer((socket) => {
  let bytes = 0;
  socket.on('data', (data) => { bytes += data.length; });
  setInterval(() => console.log(JSON.stringify({ at: Date.now(), bytes })), 50);
}).listen(${PORT}, () => console.log('{}'));`;
const SOURCE = `const socket = require('node:net').connect(${PORT}, process.argv[1], () => {
  const data = Buffer.alloc(1 << 18);
  const more = () => { while (socket.write(data)); };
  socket.on('drain', more); more();
});`;
const Count = z.object({ at: z.number(), bytes: z.number() });

/** Measures the rate of one TCP flow during a transfer of ours over the same path, and the rate of that transfer, in MB/s. */
export async function besideTcp(which: keyof typeof OURS, file: SentFile) {
  return longPath(SHARED).use(async (place) => {
    const flow = await startFlow(place);
    try {
      await new Promise((resolve) => setTimeout(resolve, HEAD_START_MS));
      const ours = await transferOnce(OURS[which].implementation, place, file, LIMIT_MS);
      const tcp_mb_s = flow.rate(ours.from, ours.to);
      return { mb_s: ours.mb_s, tcp_mb_s, tcp_share: tcp_mb_s / PATH_MB_S };
    } finally {
      await flow.end();
    }
  });
}

/** A TCP flow that sends all it can until it is ended. */
async function startFlow({ sender, receiver }: Place) {
  const options = { stdin: 'ignore', stderr: 'inherit', reject: false, buffer: false } as const;
  const sink = receiver.run(process.execPath, ['-e', SINK], options);
  const counts: z.infer<typeof Count>[] = [];
  await once(sink.stdout, 'data');
  sink.stdout.on('data', (data) => {
    for (const line of String(data).trim().split('\n')) counts.push(Count.parse(JSON.parse(line)));
  });
  const source = sender.run(process.execPath, ['-e', SOURCE, receiver.address], options);
  return {
    /** In MB/s, between two times in ms since the epoch. */
    rate(from: number, to: number): number {
      const between = counts.filter(({ at }) => at >= from && at <= to);
      const [first, last] = [between.at(0), between.at(-1)];
      return first === undefined || last === undefined
        ? Number.NaN
        : (last.bytes - first.bytes) / 1e3 / (last.at - first.at);
    },
    async end(): Promise<void> {
      for (const child of [source, sink]) child.kill('SIGKILL');
      await Promise.all([source, sink]);
    },
  };
}
