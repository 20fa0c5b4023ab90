import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { PropertyCondition } from '../../protocol/wire/filters.ts';
import type { PeerMetadata } from '../../protocol/wire/signaling.ts';
import { matchesFilters, meets } from './filters.ts';

const worker = (properties: PeerMetadata['properties'], tags: string[] = []) =>
  ({ role: 'worker', metadata: { tags, properties } }) as const;

const scalar = fc.oneof(fc.string(), fc.integer(), fc.boolean());
const value = fc.oneof(scalar, fc.constant(null), fc.array(fc.string()), fc.constant(undefined));
const condition: fc.Arbitrary<PropertyCondition> = fc.record(
  {
    $eq: scalar,
    $ne: scalar,
    $gt: fc.integer(),
    $gte: fc.integer(),
    $lt: fc.integer(),
    $lte: fc.integer(),
    $in: fc.array(scalar),
    $exists: fc.boolean(),
  },
  { requiredKeys: [] },
);

describe('matchesFilters', () => {
  it('finds the workers of the seed’s example', () => {
    const filters = {
      role: 'worker',
      tags: ['training-worker'],
      properties: { gpu_memory_mb: { $gte: 8000 }, status: { $eq: 'available' } },
    } as const;
    const wanted = { ...filters, tags: ['training-worker'] };
    assert.equal(
      matchesFilters(worker({ gpu_memory_mb: 16384, status: 'available' }, ['training-worker']), wanted),
      true,
    );
    assert.equal(matchesFilters(worker({ gpu_memory_mb: 16384, status: 'busy' }, ['training-worker']), wanted), false);
    assert.equal(
      matchesFilters(worker({ gpu_memory_mb: 4000, status: 'available' }, ['training-worker']), wanted),
      false,
    );
    assert.equal(matchesFilters(worker({ gpu_memory_mb: 16384, status: 'available' }), wanted), false);
    const client = {
      ...worker({ gpu_memory_mb: 16384, status: 'available' }, ['training-worker']),
      role: 'client' as const,
    };
    assert.equal(matchesFilters(client, wanted), false);
  });

  it('finds a worker by a model that it has cached', () => {
    const peer = worker({ models: ['a3f5e8c9', '00000000'] });
    assert.equal(matchesFilters(peer, { properties: { models: 'a3f5e8c9' } }), true);
    assert.equal(matchesFilters(peer, { properties: { models: { $in: ['ffffffff', '00000000'] } } }), true);
    assert.equal(matchesFilters(peer, { properties: { models: { $ne: 'a3f5e8c9' } } }), false);
    assert.equal(matchesFilters(peer, { properties: { models: 'ffffffff' } }), false);
  });

  it('does not take inherited members of an object for properties', () => {
    for (const name of ['toString', '__proto__', 'constructor']) {
      const filters = { properties: Object.fromEntries([[name, { $exists: true }]]) };
      assert.equal(matchesFilters(worker({}), filters), false, name);
    }
  });

  it('matches everyone without filters', () => {
    fc.assert(fc.property(fc.array(fc.string()), (tags) => matchesFilters(worker({}, tags), {})));
  });
});

describe('meets', () => {
  it('is true exactly if each operator alone is true', () => {
    fc.assert(
      fc.property(value, condition, (v, c) => {
        const each = Object.entries(c).every(([operator, operand]) => meets(v, { [operator]: operand }));
        assert.equal(meets(v, c), each);
      }),
    );
  });

  it('takes a bare value as $eq, and $ne as its opposite', () => {
    fc.assert(
      fc.property(value, scalar, (v, s) => {
        assert.equal(meets(v, s), meets(v, { $eq: s }));
        assert.equal(meets(v, { $ne: s }), !meets(v, s));
      }),
    );
  });

  it('takes $in as any of several $eq', () => {
    fc.assert(
      fc.property(value, fc.array(scalar), (v, list) => {
        assert.equal(
          meets(v, { $in: list }),
          list.some((s) => meets(v, s)),
        );
      }),
    );
  });

  it('orders numbers as numbers do, and nothing else', () => {
    fc.assert(
      fc.property(value, fc.integer(), (v, n) => {
        const number = typeof v === 'number';
        assert.equal(meets(v, { $gt: n }), number && v > n);
        assert.equal(meets(v, { $lte: n }), number && v <= n);
        assert.equal(meets(v, { $gte: n }), number && !meets(v, { $lt: n }));
      }),
    );
  });

  it('takes as existing any property that is neither absent nor null', () => {
    fc.assert(
      fc.property(value, (v) => {
        assert.equal(meets(v, { $exists: true }), v !== undefined && v !== null);
        assert.notEqual(meets(v, { $exists: true }), meets(v, { $exists: false }));
      }),
    );
  });
});
