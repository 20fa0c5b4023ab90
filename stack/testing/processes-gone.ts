import { execa } from 'execa';

const EXIT_TIMEOUT_MS = 15_000;
const POLL_MS = 50;

/** Resolves when none of the processes runs any more (a zombie does not); throws with those that still run. */
export async function processesGone(pids: readonly number[]): Promise<void> {
  const until = Date.now() + EXIT_TIMEOUT_MS;
  let running = [...pids];
  while (running.length > 0) {
    running = (await Promise.all(running.map(async (pid) => ((await isRunning(pid)) ? [pid] : [])))).flat();
    if (running.length > 0 && Date.now() > until) throw new Error(`still running: ${running.join(', ')}`);
    if (running.length > 0) await new Promise((resolve) => setTimeout(resolve, POLL_MS)); // only a parent is notified of a process's end
  }
}

async function isRunning(pid: number): Promise<boolean> {
  const { stdout } = await execa('ps', ['-o', 'stat=', '-p', String(pid)], { reject: false });
  return stdout.trim() !== '' && !stdout.trim().startsWith('Z');
}
