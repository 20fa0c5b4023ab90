import type { PeerFilters, PropertyCondition } from '../../protocol/wire/filters.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';

type Scalar = string | number | boolean;
type PropertyValue = PeerInfo['metadata']['properties'][string];

/** Returns true if a peer has the wanted role, all of the tags, and properties that meet every condition. */
export function matchesFilters(peer: Pick<PeerInfo, 'role' | 'metadata'>, filters: PeerFilters): boolean {
  if (filters.role !== undefined && peer.role !== filters.role) return false;
  if (!(filters.tags ?? []).every((tag) => peer.metadata.tags.includes(tag))) return false;
  const { properties } = peer.metadata;
  return Object.entries(filters.properties ?? {}).every(([name, condition]) =>
    meets(Object.hasOwn(properties, name) ? properties[name] : undefined, condition),
  );
}

/**
 * Returns true if one property meets a condition. A bare value means `$eq`. A property that is absent or null meets only `$ne` and
 * `$exists: false`. A list meets `$eq` and `$in` if any element does, and `$ne` if none
 * is equal. Numbers are compared with numbers only.
 */
export function meets(value: PropertyValue | undefined, condition: PropertyCondition | Scalar): boolean {
  if (typeof condition !== 'object') return equals(value, condition);
  const { $eq, $ne, $gt, $gte, $lt, $lte, $in, $exists } = condition;
  if ($exists !== undefined && $exists !== (value !== undefined && value !== null)) return false;
  if ($eq !== undefined && !equals(value, $eq)) return false;
  if ($ne !== undefined && equals(value, $ne)) return false;
  if ($in !== undefined && !$in.some((wanted) => equals(value, wanted))) return false;
  if ($gt !== undefined && !(typeof value === 'number' && value > $gt)) return false;
  if ($gte !== undefined && !(typeof value === 'number' && value >= $gte)) return false;
  if ($lt !== undefined && !(typeof value === 'number' && value < $lt)) return false;
  if ($lte !== undefined && !(typeof value === 'number' && value <= $lte)) return false;
  return true;
}

function equals(value: PropertyValue | undefined, wanted: Scalar): boolean {
  if (Array.isArray(value)) return value.some((element) => element === wanted);
  return value === wanted;
}
