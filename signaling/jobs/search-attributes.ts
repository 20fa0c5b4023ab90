import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { toSleapRtcError } from '../../protocol/errors.ts';
import { SEARCH_ATTRIBUTES } from '../../protocol/queues.ts';
import type { Temporal } from './temporal.ts';

/** Values of Temporal's `IndexedValueType`. */
const INDEXED = { Keyword: 2, KeywordList: 7 } as const;

/** Wait before Temporal is asked again where it was away when the server started. */
const RETRY_MS = 5000;

/**
 * Sees to it that the namespace knows the search attributes that every job sets; without them no job can start.
 * Tries again while Temporal is away, until `signal` aborts. Where the server may not set them up (Temporal Cloud), an
 * admin must, and the log says so.
 */
export async function ensureSearchAttributes(
  temporal: Temporal,
  options: { namespace: string; logger: Logger; signal: AbortSignal; retryMs?: number },
): Promise<void> {
  const { namespace, logger, signal } = options;
  while (!signal.aborted) {
    try {
      await addMissing(temporal, namespace);
      return;
    } catch (error) {
      if (toSleapRtcError(error).code !== 'TEMPORAL_UNREACHABLE') {
        logger.warn({ event: 'search_attributes_missing', err: error }, 'an admin must add the search attributes');
        return;
      }
      logger.warn({ event: 'temporal_unreachable' }, 'Temporal is away; jobs cannot be started yet');
      await sleep(options.retryMs ?? RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

async function addMissing(temporal: Temporal, namespace: string): Promise<void> {
  const known = await temporal.call(() => temporal.operator.listSearchAttributes({ namespace }));
  const missing = Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => known.customAttributes?.[name] === undefined);
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map(([name, type]) => [name, INDEXED[type]]));
  await temporal.call(() => temporal.operator.addSearchAttributes({ namespace, searchAttributes }));
}
