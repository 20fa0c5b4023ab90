import { execa } from 'execa';

/** Resident memory of a process at a time. */
interface Sample {
  atMs: number;
  megabytes: number;
}

/** The memory of one process while it was watched. */
export interface MemoryUse {
  name: string;
  samples: number;
  /** The median of the second quarter, when all is warm, and of the last one; in MB. */
  earlyMb: number;
  lateMb: number;
  /** By least squares over all but the first quarter, in MB an hour. */
  slopeMbPerHour: number;
}

/** Samples the resident memory of processes that come and go. A process that is started again under a name is counted as a new one. */
export class MemoryWatch {
  readonly #samples = new Map<string, Sample[]>();

  /** Takes one sample of each. @param pids by name */
  async sample(pids: Record<string, number>): Promise<void> {
    const { stdout } = await execa('ps', ['-A', '-o', 'pid=,rss=']);
    const rss = new Map(stdout.split('\n').map((line) => line.trim().split(/\s+/).map(Number) as [number, number]));
    for (const [name, pid] of Object.entries(pids)) {
      const kilobytes = rss.get(pid);
      if (kilobytes === undefined) continue;
      const key = `${name} ${pid}`;
      const samples = this.#samples.get(key) ?? [];
      samples.push({ atMs: performance.now(), megabytes: kilobytes / 1024 });
      this.#samples.set(key, samples);
    }
  }

  /** The memory of each process that has at least `atLeast` samples. */
  uses(atLeast: number): MemoryUse[] {
    return [...this.#samples]
      .filter(([, samples]) => samples.length >= atLeast)
      .map(([name, samples]) => use(name, samples));
  }
}

function use(name: string, samples: Sample[]): MemoryUse {
  const quarter = Math.ceil(samples.length / 4);
  const warm = samples.slice(quarter);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const hours = warm.map(({ atMs }) => atMs / 3_600_000);
  const megabytes = warm.map((sample) => sample.megabytes);
  const [meanHours, meanMegabytes] = [mean(hours), mean(megabytes)];
  const spread = hours.reduce((sum, hour) => sum + (hour - meanHours) ** 2, 0);
  const together = hours.reduce((sum, hour, i) => sum + (hour - meanHours) * ((megabytes[i] ?? 0) - meanMegabytes), 0);
  return {
    name,
    samples: samples.length,
    earlyMb: median(samples.slice(quarter, 2 * quarter)),
    lateMb: median(samples.slice(-quarter)),
    slopeMbPerHour: spread === 0 ? 0 : together / spread,
  };
}

function median(samples: Sample[]): number {
  const sorted = samples.map(({ megabytes }) => megabytes).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
