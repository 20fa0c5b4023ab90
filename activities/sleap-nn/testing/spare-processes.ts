import { EventEmitter, once } from 'node:events';
import { readdir, readFile, readlink } from 'node:fs/promises';
import { type Logger, pino } from 'pino';
import { ownerArgument } from '../process/launcher-process.ts';

/** A logger for a `WarmTrainer`, and when it reports that its spare is warm. */
export function warmReports(): { logger: Logger; nextPid: () => Promise<number> } {
  const reports = new EventEmitter();
  const pids: number[] = [];
  const write = (line: string) => {
    const { event, pid } = JSON.parse(line) as { event?: string; pid: number };
    if (event !== 'trainer_warm') return;
    pids.push(pid);
    reports.emit('warm');
  };
  return {
    logger: pino({ level: 'info', base: null }, { write }),
    async nextPid() {
      while (pids.length === 0) await once(reports, 'warm');
      return pids.shift() ?? 0;
    },
  };
}

/** Launchers of this worker folder that run now. */
export function launchersOf(workDir: string): Promise<number[]> {
  return processesWith(async (pid) => {
    const words = await readFile(`/proc/${pid}/cmdline`, 'utf8');
    return words.split('\0').includes(ownerArgument(workDir));
  });
}

/** Processes whose working directory lies in the folder, also those in a sandbox, which shows folders at their own paths. */
export function processesIn(folder: string): Promise<number[]> {
  return processesWith(async (pid) => (await readlink(`/proc/${pid}/cwd`)).startsWith(folder));
}

async function processesWith(matches: (pid: string) => Promise<boolean>): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => ((await matches(pid).catch(() => false)) ? [Number(pid)] : [])),
  );
  return found.flat();
}
