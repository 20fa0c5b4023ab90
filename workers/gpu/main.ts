import { pino } from 'pino';
import { readGpuWorkerConfig } from './config.ts';
import { startGpuWorker } from './gpu-worker.ts';

/** The GPU worker as a process. SIGTERM hands its job over; SIGUSR2 lets it finish its job and then ends it. */
const config = readGpuWorkerConfig(process.env);
const logger = pino({ level: config.logLevel, base: { room: config.room, worker: config.name } });
const stop = new AbortController();
const drain = new AbortController();
process.once('SIGUSR2', () => drain.abort());
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    logger.info({ event: 'stopping', signal });
    stop.abort();
  });
}
try {
  await startGpuWorker(config, { logger, signal: stop.signal, drain: drain.signal });
  logger.info({ event: 'stopped' });
} catch (error) {
  logger.fatal({ event: 'failed', err: error });
  process.exitCode = 1;
}
// A Temporal worker that has failed does not close its connection, which would keep the process alive.
process.exit();
