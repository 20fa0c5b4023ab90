import { defineSearchAttributeKey } from '@temporalio/common';

/**
 * The search attributes of every job, shown and searched in the Temporal UI. The control worker registers them at its start; the
 * server sets them when it starts a job, the job's workflow updates its phase.
 */
export const searchAttributes = {
  room: defineSearchAttributeKey('SleapRoom', 'KEYWORD'),
  kind: defineSearchAttributeKey('SleapKind', 'KEYWORD'),
  user: defineSearchAttributeKey('SleapUser', 'KEYWORD'),
  modelType: defineSearchAttributeKey('SleapModelType', 'KEYWORD_LIST'),
  phase: defineSearchAttributeKey('SleapPhase', 'KEYWORD'),
} as const;
