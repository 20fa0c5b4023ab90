import { type Logger, pino } from 'pino';
import type { GpuWorkerConfig } from './config.ts';

/** The worker's log: JSON lines on standard output, each with room and worker; never a token. */
export function createLogger(config: Pick<GpuWorkerConfig, 'room' | 'name' | 'logLevel'>): Logger {
  return pino({ level: config.logLevel, base: { room: config.room, worker: config.name } });
}
