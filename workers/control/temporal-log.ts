import { Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';

/** Writes the log of Temporal's SDK and of the workflows into the process's log. Called once a process, before any connection. */
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

/** Leaves out fields that help no reader, and puts errors under the key that pino expects. */
function plain(meta: Record<string, unknown> = {}): Record<string, unknown> {
  const { error, sdkComponent, namespace, ...rest } = meta;
  return error === undefined ? rest : { ...rest, err: error };
}
