import { readConfig } from './config.ts';
import { startGpuWorker } from './gpu-worker.ts';
import { createLogger } from './logger.ts';

const config = readConfig(process.env);
const logger = createLogger(config);
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
// A Temporal worker that has failed keeps its connection, which would keep the process.
process.exit();
