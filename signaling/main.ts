import pino from 'pino';
import { toSleapRtcError } from '../protocol/errors.ts';
import { LogLevel } from '../protocol/log-level.ts';
import { readSignalingConfig } from './config.ts';
import { startSignalingServer } from './server.ts';

// Before the configuration is read, whose errors are logged, too.
const level = LogLevel.catch('info').parse(process.env.SLEAP_RTC_LOG_LEVEL);
const logger = pino({ name: 'signaling', level });

try {
  const server = await startSignalingServer(readSignalingConfig(process.env), { logger });
  logger.info({ event: 'ready', url: server.url }, 'signaling server ready');
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      logger.info({ event: 'stopping', signal }, 'signaling server stopping');
      void server.stop().then(() => logger.info({ event: 'stopped' }, 'signaling server stopped'));
    });
  }
} catch (thrown) {
  const error = toSleapRtcError(thrown);
  logger.fatal({ event: 'failed', code: error.code, remedy: error.remedy, err: thrown }, error.message);
  process.exitCode = error.exitCode;
}
