/** A server in memory in a process of its own, so that its memory can be measured. Its parent talks to it over IPC. */
import { pino } from 'pino';
import { startSignalingServer } from '../server.ts';
import { createMemoryBackends, memoryConfig } from './memory-backends.ts';

/** What the parent hears: first the address, then an answer to each question. */
export type HostileServerReport = { url: string } | { rssBytes: number; peakBytes: number; heapBytes: number };

const config = memoryConfig();
const backends = createMemoryBackends();
for (const roomId of process.argv.slice(2)) backends.rooms.add(roomId, 'token');
const server = await startSignalingServer(
  { ...config, limits: { ...config.limits, trustedProxies: 1 } },
  { backends, logger: pino({ level: 'silent' }) },
);

const report = (message: HostileServerReport) => process.send?.(message);
process.on('message', () => {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  report({ rssBytes: rss, peakBytes: process.resourceUsage().maxRSS * 1024, heapBytes: heapUsed });
});
process.on('disconnect', () => process.exit());
report({ url: server.url });
