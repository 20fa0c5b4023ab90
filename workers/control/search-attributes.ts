import type { NativeConnection } from '@temporalio/worker';
import type { Logger } from 'pino';
import { searchAttributes } from '../../protocol/temporal/search-attributes.ts';

/** Temporal's numbers for types (`temporal.api.enums.v1.IndexedValueType`). */
const TYPE_NUMBERS = { KEYWORD: 2, KEYWORD_LIST: 7 } as const;

/** gRPC's codes: another control worker was faster; an admin must do it, as in Temporal Cloud. */
const ALREADY_EXISTS = 6;
const PERMISSION_DENIED = 7;

/**
 * Registers the search attributes of jobs that the namespace lacks, so that a Temporal server needs no preparation. Nothing else
 * registers them: until it is done once, the signaling server lets the start of a job wait.
 */
export async function ensureSearchAttributes(
  { operatorService }: Pick<NativeConnection, 'operatorService'>,
  namespace: string,
  logger: Logger,
): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.values(searchAttributes).filter(({ name }) => customAttributes[name] === undefined);
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name);
  try {
    await operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(({ name, type }) => [name, TYPE_NUMBERS[type]])),
    });
    logger.info({ event: 'search_attributes_added', names });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === PERMISSION_DENIED)
      logger.warn({ event: 'search_attributes_missing', names, err: error }, 'an admin must add the search attributes');
    else if (code !== ALREADY_EXISTS) throw error;
  }
}
