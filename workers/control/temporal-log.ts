import { Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';

/** Lets Temporal's SDK, and the workflows' own log, write into the process's log. Once a process, before any connection. */
export function logTemporalTo(logger: Logger): void {
  const temporal = logger.child({ component: 'temporal' });
  const at =
    (level: 'trace' | 'debug' | 'info' | 'warn' | 'error') => (message: string, meta?: Record<string, unknown>) =>
      temporal[level](plain(meta), message);
  const log = { trace: at('trace'), debug: at('debug'), info: at('debug'), warn: at('warn'), error: at('error') };
  Runtime.install({
    logger: {
      ...log,
      log: (level, message, meta) => log[level.toLowerCase() as keyof typeof log](message, meta),
    },
  });
}

/** Without what no reader of the log wants, and with errors under the key that pino expects. */
function plain(meta: Record<string, unknown> = {}): Record<string, unknown> {
  const { error, sdkComponent, namespace, ...rest } = meta;
  return error === undefined ? rest : { ...rest, err: error };
}
