import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { execaNode } from 'execa';
import { z } from 'zod';
import { TestRelay } from '../transport/testing/relay.ts';
import { median, rounded } from './median.ts';
import type { BenchmarkContext, Row } from './run.ts';

const SIDE = join(import.meta.dirname, 'transfer/side-main.ts');
const MEGABYTES = 256;
const BYTES = MEGABYTES * 1e6;
/** Longest time for one transfer, in ms. */
const TRANSFER_MS = 60_000;

/** What is compared: `of` names the code in transfer/, the rest which stack either side of ours uses. */
const COMPARED = [
  { impl: 'sleap-rtc-on-temporal werift', of: 'ours', sender: 'werift', receiver: 'werift' },
  { impl: 'sleap-rtc-on-temporal libdatachannel', of: 'ours', sender: 'libdatachannel', receiver: 'libdatachannel' },
  { impl: 'sleap-rtc-on-temporal mixed', of: 'ours', sender: 'werift', receiver: 'libdatachannel' },
  { impl: 'sleap-rtc-on-temporal mixed back', of: 'ours', sender: 'libdatachannel', receiver: 'werift' },
  { impl: 'node-datachannel raw', of: 'raw', sender: 'auto', receiver: 'auto' },
  { impl: 'tcp', of: 'tcp', sender: 'auto', receiver: 'auto' },
] as const;
type Compared = (typeof COMPARED)[number];

const Ready = z.object({ ready: z.literal(true), port: z.number() });
const Used = z.object({ seconds: z.number(), cpu_s: z.number(), rss_mb: z.number(), sha256: z.string() });

interface Measured {
  mb_s: number;
  cpu_s_per_gb: number;
  rss_mb: number;
}

/**
 * One file of 256 MB between two processes over the loopback, hashed and flushed to disk by the receiver; time runs from the
 * open channel to the verified file. CPU is both sides’ sum; memory is the larger side’s peak (Linux only).
 */
export async function benchmarkTransfer({ runs, row, say }: BenchmarkContext): Promise<Row> {
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-bench-'));
  const relay = await TestRelay.start();
  try {
    const content = randomBytes(BYTES);
    const file = { path: join(dir, 'data.bin'), sha256: createHash('sha256').update(content).digest('hex') };
    await writeFile(file.path, content);
    const measured = new Map<string, Measured[]>(COMPARED.map(({ impl }) => [impl, []]));
    // Interleaved, so that what else the machine does falls on all alike.
    for (let run = 0; run < runs; run += 1) {
      for (const compared of COMPARED) {
        const folder = join(dir, 'received');
        await mkdir(folder);
        const result = await transferOnce(compared, { serverUrl: relay.url, file, folder });
        await rm(folder, { recursive: true });
        measured.get(compared.impl)?.push(result);
        say(`${run + 1}/${runs} ${compared.impl}: ${Math.round(result.mb_s)} MB/s, load ${loadavg()[0]?.toFixed(1)}`);
      }
    }
    for (const [impl, results] of measured) row(medians(impl, results));
    const rate = (impl: Compared['impl']) => median((measured.get(impl) ?? []).map(({ mb_s }) => mb_s));
    return {
      name: 'summary',
      mb: MEGABYTES,
      runs,
      werift_mb_s: rounded(rate('sleap-rtc-on-temporal werift'), 1),
      libdatachannel_mb_s: rounded(rate('sleap-rtc-on-temporal libdatachannel'), 1),
      libdatachannel_of_raw: rounded(rate('sleap-rtc-on-temporal libdatachannel') / rate('node-datachannel raw'), 3),
    };
  } finally {
    await relay[Symbol.asyncDispose]();
    await rm(dir, { recursive: true, force: true });
  }
}

function medians(impl: string, results: readonly Measured[]): Row {
  const rates = results.map(({ mb_s }) => mb_s);
  return {
    name: 'transfer',
    impl,
    mb_s: rounded(median(rates), 1),
    mb_s_min: rounded(Math.min(...rates), 1),
    mb_s_max: rounded(Math.max(...rates), 1),
    cpu_s_per_gb: rounded(median(results.map(({ cpu_s_per_gb }) => cpu_s_per_gb)), 2),
    rss_mb: Math.round(median(results.map(({ rss_mb }) => rss_mb))),
  };
}

async function transferOnce(
  { impl, of, sender, receiver }: Compared,
  at: { serverUrl: string; file: { path: string; sha256: string }; folder: string },
): Promise<Measured> {
  const sending = side([of, 'send', at.serverUrl, at.file.path, String(BYTES)], sender);
  try {
    const reports = sending.iterable()[Symbol.asyncIterator]();
    const { port } = Ready.parse(JSON.parse(String((await reports.next()).value)));
    const target = join(at.folder, 'data.bin');
    const received = await side([of, 'receive', at.serverUrl, target, String(BYTES), String(port)], receiver);
    const there = Used.parse(JSON.parse(received.stdout));
    const here = Used.parse(JSON.parse(String((await reports.next()).value)));
    if (there.sha256 !== at.file.sha256) throw new Error(`${impl} delivered other bytes than it was given`);
    return {
      mb_s: MEGABYTES / there.seconds,
      cpu_s_per_gb: ((here.cpu_s + there.cpu_s) * 1e9) / BYTES,
      rss_mb: Math.max(here.rss_mb, there.rss_mb),
    };
  } finally {
    sending.kill('SIGKILL');
    await sending.catch(() => undefined);
  }
}

function side(args: string[], webRtc: string) {
  return execaNode(SIDE, args, {
    env: { SLEAP_RTC_WEBRTC: webRtc },
    stdin: 'ignore',
    stderr: 'inherit',
    timeout: TRANSFER_MS,
    killSignal: 'SIGKILL',
    nodeOptions: ['--disable-warning=ExperimentalWarning'],
  });
}
