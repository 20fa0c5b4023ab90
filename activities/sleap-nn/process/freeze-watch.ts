import { readdir, readFile } from 'node:fs/promises';

/** How often the processes are looked at, in milliseconds. */
const CHECK_MS = 5_000;
/** A process that waits for nothing that ever comes still wakes up now and then; one that works uses much more. */
const IDLE_CPU_PART = 0.01;
/** Linux counts CPU time in hundredths of a second for all programs (proc(5), `_SC_CLK_TCK`). */
const MS_PER_TICK = 10;

interface FreezeWatchOptions {
  /** The process whose whole tree is watched; undefined once it has ended. */
  pid: () => number | undefined;
  /** For how long the tree may be silent and idle now, in milliseconds. */
  limitMs: () => number;
  /** Called at most once for each silence, after half the limit. */
  onSilent: (silentMs: number) => void;
  /** Called once. */
  onFrozen: (silentMs: number) => void;
  /** How often it looks, in milliseconds. Default: five seconds. */
  checkMs?: number;
}

/**
 * Notices processes that stand still: no event comes from them, and they use no CPU time. Such a sleap-nn was stopped (SIGSTOP) or waits
 * for itself. Time in which this process did not run either, since the whole machine was suspended, does not count.
 */
export class FreezeWatch {
  readonly #options: FreezeWatchOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #checkMs: number;
  #lookedAtMs = performance.now();
  #silentMs = 0;
  /** The tree's CPU time at the last event or sign of work, in milliseconds. */
  #cpuMs: number | undefined;
  #isReported = false;
  #isClosed = false;

  constructor(options: FreezeWatchOptions) {
    this.#options = options;
    this.#checkMs = options.checkMs ?? CHECK_MS;
    this.#timer = setTimeout(() => void this.#look(), this.#checkMs);
  }

  /** Call when anything comes from the processes. */
  onEvent(): void {
    this.#silentMs = 0;
    this.#cpuMs = undefined;
    this.#isReported = false;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  async #look(): Promise<void> {
    const pid = this.#options.pid();
    const cpuMs = pid === undefined ? undefined : await cpuTimeOfTree(pid).catch(() => undefined);
    const now = performance.now();
    const passedMs = Math.min(now - this.#lookedAtMs, 2 * this.#checkMs);
    this.#lookedAtMs = now;
    if (this.#isClosed) return;
    if (cpuMs !== undefined) this.#judge(cpuMs, passedMs);
    if (!this.#isClosed) this.#timer.refresh();
  }

  #judge(cpuMs: number, passedMs: number): void {
    const { limitMs, onSilent, onFrozen } = this.#options;
    // Less than before: a process of the tree has ended. That is a sign of life, too.
    const usedMs = this.#cpuMs === undefined ? Number.POSITIVE_INFINITY : cpuMs - this.#cpuMs;
    if (usedMs < 0 || usedMs > IDLE_CPU_PART * (this.#silentMs + passedMs)) {
      this.onEvent();
      this.#cpuMs = cpuMs;
      return;
    }
    this.#silentMs += passedMs;
    const limit = limitMs();
    if (this.#silentMs >= limit) {
      this.close();
      onFrozen(this.#silentMs);
    } else if (this.#silentMs >= limit / 2 && !this.#isReported) {
      this.#isReported = true;
      onSilent(this.#silentMs);
    }
  }
}

/** The CPU time that a process and those below it have used, in milliseconds. */
async function cpuTimeOfTree(root: number): Promise<number> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(names.map((name) => readStat(name).catch(() => undefined)));
  const processes = all.filter((process) => process !== undefined);
  const tree = new Set([root]);
  // A child may be listed before its parent.
  for (let before = 0; before < tree.size; ) {
    before = tree.size;
    for (const { pid, parent } of processes) if (tree.has(parent)) tree.add(pid);
  }
  const ticks = processes.reduce((sum, process) => sum + (tree.has(process.pid) ? process.ticks : 0), 0);
  return ticks * MS_PER_TICK;
}

/** proc(5), /proc/pid/stat: the name in brackets may be anything; of the fields after it, the second is the parent, and utime is the 12th. */
async function readStat(name: string): Promise<{ pid: number; parent: number; ticks: number }> {
  const fields = (await readFile(`/proc/${name}/stat`, 'utf8')).split(') ').at(-1)?.split(' ') ?? [];
  return { pid: Number(name), parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
}
