/**
 * One side of a measured transfer: `node side-main.ts IMPLEMENTATION send|receive SERVER PATH BYTES ADDRESS PORT`. It prints JSON
 * lines: the sender prints when it is ready, and both sides print the time, CPU and memory that they used.
 */
import { readFileSync } from 'node:fs';
import { nodeDatachannelRaw } from './node-datachannel-raw.ts';
import { ours } from './ours.ts';
import type { Implementation } from './task.ts';
import { tcp } from './tcp.ts';

const implementations: Record<string, Implementation> = { ours, tcp, raw: nodeDatachannelRaw };

const [name = '', side, serverUrl = '', path = '', bytes, address = '', port] = process.argv.slice(2);
const implementation = implementations[name];
if (implementation === undefined) throw new Error(`no implementation ${name}`);

let startedAt = performance.now();
let usedBefore = process.cpuUsage();
function start(): void {
  startedAt = performance.now();
  usedBefore = process.cpuUsage();
}
const task = {
  serverUrl,
  path,
  bytes: Number(bytes),
  address,
  port: Number(port),
  ready: (ownPort?: number) => {
    start();
    report({ ready: true, port: ownPort ?? 0 });
  },
  started: start,
};
const sha256 = side === 'send' ? await implementation.send(task) : await implementation.receive(task);
const seconds = (performance.now() - startedAt) / 1000;
const { user, system } = process.cpuUsage(usedBefore);
report({
  seconds,
  started_at: performance.timeOrigin + startedAt,
  cpu_s: (user + system) / 1e6,
  rss_mb: peakRssMb(),
  sha256: sha256 ?? '',
});

/** Not `resourceUsage().maxRSS`: on Linux that starts from the parent's. */
function peakRssMb(): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1024;
}

function report(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
