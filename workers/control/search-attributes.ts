import type { NativeConnection } from '@temporalio/worker';
import { SEARCH_ATTRIBUTES } from '../../protocol/queues.ts';

/** Temporal's numbers for types (`temporal.api.enums.v1.IndexedValueType`). */
const TYPE_NUMBERS = { Keyword: 2, KeywordList: 7 } as const;

/** gRPC's ALREADY_EXISTS: another control worker was faster. */
const ALREADY_EXISTS = 6;

/**
 * Makes the search attributes of jobs that the namespace lacks, so that a Temporal server which nobody has prepared will do.
 * @returns the names of those made
 */
export async function ensureSearchAttributes(connection: NativeConnection, namespace: string): Promise<string[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => customAttributes[name] === undefined);
  if (missing.length === 0) return [];
  const searchAttributes = Object.fromEntries(missing.map(([name, type]) => [name, TYPE_NUMBERS[type]]));
  try {
    await connection.operatorService.addSearchAttributes({ namespace, searchAttributes });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === ALREADY_EXISTS)) throw error;
  }
  return missing.map(([name]) => name);
}
