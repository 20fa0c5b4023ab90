import { z } from 'zod';
import { limitedRecord } from './limited-record.ts';

/** Properties on which one search has conditions. */
const MAX_CONDITIONS = 32;

const Scalar = z.union([z.string().max(256), z.number(), z.boolean()]);

/** Conditions on one property, as in the seed's discovery. All given conditions must be true. */
export const PropertyCondition = z.strictObject({
  $eq: Scalar.optional(),
  $ne: Scalar.optional(),
  $gt: z.number().optional(),
  $gte: z.number().optional(),
  $lt: z.number().optional(),
  $lte: z.number().optional(),
  $in: z.array(Scalar).max(64).optional(),
  $exists: z.boolean().optional(),
});
export type PropertyCondition = z.infer<typeof PropertyCondition>;

/** Finds the peers of a room that have this role, all of these tags, and properties that meet the conditions. */
export const PeerFilters = z.strictObject({
  role: z.enum(['worker', 'client', 'dashboard']).optional(),
  tags: z.array(z.string().max(64)).max(16).optional(),
  properties: limitedRecord(z.string().max(64), z.union([PropertyCondition, Scalar]), MAX_CONDITIONS).optional(),
});
export type PeerFilters = z.infer<typeof PeerFilters>;
