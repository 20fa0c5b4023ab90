import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acceptPeers, connectPeer, describeFiles, HashCache, receiveFiles, sendFiles } from '../transport/index.ts';
import { join as joinRoom } from '../transport/testing/join.ts';
import { TestSignaling } from '../transport/testing/test-signaling.ts';
import type { BenchmarkContext, Row } from './benchmark.ts';
import { median, rounded } from './median.ts';

const MEGABYTES = 2048;
const purpose = { job_id: 'benchmark', kind: 'dataset' } as const;

/**
 * Submits a dataset of 2 GB again, unchanged. The time includes reading both sides' hash caches from disk, describing the files,
 * connecting, offering, and finding the local blocks; it ends when the job's folder has the files. Both sides run in this process.
 */
export async function benchmarkResubmit({ runs, row, say }: BenchmarkContext): Promise<Row> {
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-bench-'));
  try {
    const path = join(dir, 'labels.pkg.slp');
    await writeDistinct(path, MEGABYTES);
    const first = await submit(dir, path, 'first');
    row({ name: 'submit', mb: MEGABYTES, ...rowOf(first) });
    const again: Submitted[] = [];
    for (let run = 0; run < runs; run += 1) {
      const outcome = await submit(dir, path, `again${run}`);
      again.push(outcome);
      row({ name: 'submit again', mb: MEGABYTES, ...rowOf(outcome) });
      say(`${run + 1}/${runs}: ${outcome.seconds.toFixed(3)} s, ${outcome.sentBytes} bytes`);
    }
    return {
      name: 'summary',
      runs,
      resubmit_s: rounded(median(again.map(({ seconds }) => seconds)), 3),
      resubmit_without_connecting_s: rounded(median(again.map((one) => one.seconds - one.connectSeconds)), 3),
      resubmit_sent_bytes: Math.max(...again.map(({ sentBytes }) => sentBytes)),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

interface Submitted {
  seconds: number;
  /** How much of that time connecting takes. */
  connectSeconds: number;
  sentBytes: number;
}

function rowOf({ seconds, connectSeconds, sentBytes }: Submitted) {
  return { seconds: rounded(seconds, 3), connect_s: rounded(connectSeconds, 3), sent_bytes: sentBytes };
}

/** Describes, sends and receives the file for one job, as a researcher's computer and a worker do. */
async function submit(dir: string, path: string, job: string): Promise<Submitted> {
  const signaling = await TestSignaling.start();
  try {
    const [worker, client] = await Promise.all([
      joinRoom(signaling.url, 'worker-1'),
      joinRoom(signaling.url, 'client-1'),
    ]);
    let sentBytes = 0;
    const startedAt = performance.now();
    const cache = await HashCache.open(join(dir, 'laptop-hashes'));
    const files = await describeFiles([{ absolutePath: path, path: 'labels.pkg.slp' }], { cache });
    const accepting = acceptPeers(client, async (connection) => {
      const channel = await connection.acceptChannel();
      const { send } = channel;
      channel.send = (data, options) => {
        if (typeof data !== 'string') sentBytes += data.byteLength;
        return send.call(channel, data, options);
      };
      await sendFiles(channel, files, { cache });
      await connection.closed;
    });
    const connectingAt = performance.now();
    const connection = await connectPeer(worker, { peerId: 'client-1', purpose });
    const connectSeconds = (performance.now() - connectingAt) / 1000;
    const channel = await connection.openChannel('dataset');
    await receiveFiles(channel, join(dir, 'jobs', job), {
      expected: files.map(({ entry }) => entry),
      cache: await HashCache.open(join(dir, 'worker-hashes')),
      reuse: { folders: [join(dir, 'jobs')], link: true },
    });
    const seconds = (performance.now() - startedAt) / 1000;
    await connection.close();
    await accepting.close();
    await Promise.all([worker.close(), client.close()]);
    return { seconds, connectSeconds, sentBytes };
  } finally {
    await signaling[Symbol.asyncDispose]();
  }
}

/** Writes a file in which no two blocks are the same. It appears to be an hour old, so its hash can be cached. */
async function writeDistinct(path: string, megabytes: number): Promise<void> {
  const handle = await open(path, 'w');
  const block = randomBytes(2 ** 20);
  for (let index = 0; index < megabytes; index += 1) {
    block.writeUInt32BE(index);
    await handle.write(block);
  }
  await handle.close();
  const hourAgo = Date.now() / 1000 - 3600;
  await utimes(path, hourAgo, hourAgo);
}
