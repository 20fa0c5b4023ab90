import { pino } from 'pino';
import { readControlWorkerConfig } from './config.ts';
import { runControlWorker } from './control-worker.ts';
import { logTemporalTo } from './temporal-log.ts';

/** The control worker as a process: `node workers/control/main.ts`. At SIGTERM it finishes what it has begun. */
const config = readControlWorkerConfig(process.env);
const logger = pino({ level: config.logLevel, base: { component: 'control' } });
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    logger.info({ event: 'stopping', signal });
    stop.abort();
  });
}
logTemporalTo(logger);
try {
  await runControlWorker(config, { logger, signal: stop.signal });
  logger.info({ event: 'stopped' });
} catch (error) {
  if (!stop.signal.aborted) {
    logger.fatal({ event: 'failed', err: error });
    process.exitCode = 1;
  }
}
// A request of the sweep to storage that does not answer would keep the process alive.
process.exit();
