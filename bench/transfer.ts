import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { whyNoPaths } from '../test/paths/with-path.ts';
import type { BenchmarkContext, Row } from './benchmark.ts';
import { median, rounded } from './median.ts';
import { BESIDE_MEGABYTES, besideTcp, SHARED } from './transfer/beside-tcp.ts';
import { allCompared, type Compared, OURS } from './transfer/compared.ts';
import { type Measured, type SentFile, transferOnce } from './transfer/transfer-once.ts';

/** Longest time for one transfer, in ms. One that takes longer counts as failed. */
const TRANSFER_MS = 45_000;

/**
 * Sends one file between two processes; the receiver hashes it and flushes it to disk. The time runs from the open channel to the
 * verified file. CPU is the sum of both sides; memory is the larger peak of the two (Linux only). First come the loopback and
 * Ethernet, then long paths, then a TCP flow beside ours. `only` is a pattern for `IMPL over PATH`.
 */
export async function benchmarkTransfer({ runs, only, row, say }: BenchmarkContext): Promise<Row> {
  const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-bench-'));
  try {
    const reason = await whyNoPaths();
    const compared = (await allCompared(say, reason)).filter((one) =>
      only.test(`${one.impl} over ${one.network.path}`),
    );
    const files = new Files(dir);
    const results = new Map<Compared, { good: Measured[]; failed: number; load: number[] }>();
    // Interleaved, so that other load on the machine affects all rows alike.
    for (let run = 0; run < runs; run += 1) {
      for (const one of compared) {
        const result = results.get(one) ?? { good: [], failed: 0, load: [] };
        results.set(one, result);
        const file = await files.ofSize(one.megabytes);
        const before = loadavg()[0] ?? 0;
        const outcome = await one.network
          .use((place) => transferOnce(one.implementation, place, file, TRANSFER_MS))
          .catch((error: unknown) => void say(`${one.impl} over ${one.network.path}: ${String(error)}`));
        result.load.push(before);
        if (outcome === undefined) result.failed += 1;
        else result.good.push(outcome);
        const rate = outcome === undefined ? 'failed' : `${outcome.mb_s.toFixed(1)} MB/s`;
        say(`${run + 1}/${runs} ${one.impl} over ${one.network.path}: ${rate}, load ${before.toFixed(1)}`);
      }
    }
    for (const [one, result] of results) row(medians(one, result));
    if (reason === undefined) {
      for (const which of ['best', 'werift'] as const) {
        if (!only.test(`${OURS[which].impl} over tcp`)) continue;
        const file = await files.ofSize(BESIDE_MEGABYTES);
        row(await shared(which, { runs, file, say }));
      }
    }
    const rate = (impl: string, path = 'loopback') => {
      const found = [...results].find(([one]) => one.impl === impl && one.network.path === path);
      return rounded(median((found?.[1].good ?? []).map(({ mb_s }) => mb_s)), 1);
    };
    const { best, werift, libdatachannel } = OURS;
    return {
      name: 'summary',
      runs,
      werift_mb_s: rate(werift.impl),
      libdatachannel_mb_s: rate(libdatachannel.impl),
      libdatachannel_of_raw: rounded(rate(libdatachannel.impl) / rate('node-datachannel raw'), 3),
      werift_of_original: rounded(rate(werift.impl) / rate('original'), 2),
      werift_ethernet_mb_s: rate(werift.impl, 'ethernet'),
      libdatachannel_ethernet_mb_s: rate(libdatachannel.impl, 'ethernet'),
      best_20ms_mb_s: rate(best.impl, '20 ms, 0 %'),
      best_20ms_lossy_mb_s: rate(best.impl, '20 ms, 1 %'),
      best_100ms_mb_s: rate(best.impl, '100 ms, 0 %'),
      werift_20ms_mb_s: rate(werift.impl, '20 ms, 0 %'),
      werift_20ms_lossy_mb_s: rate(werift.impl, '20 ms, 1 %'),
      werift_100ms_mb_s: rate(werift.impl, '100 ms, 0 %'),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function medians(one: Compared, { good, failed, load }: { good: Measured[]; failed: number; load: number[] }): Row {
  const rates = good.map(({ mb_s }) => mb_s);
  return {
    name: 'transfer',
    impl: one.impl,
    path: one.network.path,
    rtt_ms: one.network.rtt_ms,
    loss_percent: one.network.loss_percent,
    mb: one.megabytes,
    mb_s: rounded(median(rates), 1),
    mb_s_min: rounded(Math.min(...rates), 1),
    mb_s_max: rounded(Math.max(...rates), 1),
    cpu_s_per_gb: rounded(median(good.map(({ cpu_s_per_gb }) => cpu_s_per_gb)), 2),
    rss_mb: Math.round(median(good.map(({ rss_mb }) => rss_mb))),
    failed,
    load: rounded(median(load), 1),
  };
}

async function shared(
  which: 'best' | 'werift',
  { runs, file, say }: Pick<BenchmarkContext, 'runs' | 'say'> & { file: SentFile },
): Promise<Row> {
  const results = [];
  for (let run = 0; run < runs; run += 1) {
    const result = await besideTcp(which, file).catch((error: unknown) => void say(`beside tcp: ${String(error)}`));
    if (result !== undefined) results.push(result);
  }
  return {
    name: 'transfer beside tcp',
    impl: OURS[which].impl,
    path: `${SHARED.rttMs} ms, ${SHARED.mbitPerSecond} Mbit/s`,
    mb: BESIDE_MEGABYTES,
    mb_s: rounded(median(results.map(({ mb_s }) => mb_s)), 1),
    tcp_mb_s: rounded(median(results.map(({ tcp_mb_s }) => tcp_mb_s)), 1),
    tcp_share: rounded(median(results.map(({ tcp_share }) => tcp_share)), 2),
    failed: runs - results.length,
  };
}

/** Files of random bytes, each made when it is first needed. */
class Files {
  readonly #dir: string;
  readonly #made = new Map<number, SentFile>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  async ofSize(megabytes: number): Promise<SentFile> {
    const made = this.#made.get(megabytes);
    if (made !== undefined) return made;
    const content = randomBytes(megabytes * 1e6);
    const path = join(this.#dir, `data-${megabytes}.bin`);
    await writeFile(path, content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    const file = { path, bytes: content.length, sha256, folder: join(this.#dir, 'received') };
    this.#made.set(megabytes, file);
    return file;
  }
}
