import assert from 'node:assert/strict';
import { StripePlanner, type StripeStep } from './stripe-planner.ts';

interface Look {
  moved: number[];
  age?: number;
  cpuShare?: number;
  leftBytes?: number;
}

/** What a planner decides at each look, one second apart. */
function plan(looks: Look[]): StripeStep[] {
  const planner = new StripePlanner(4);
  return looks.map(({ moved, age = 9, cpuShare = 0.2, leftBytes = 1e9 }) =>
    planner.next({
      seconds: 1,
      stripes: moved.map((movedBytes) => ({ movedBytes, age })),
      leftBytes,
      cpuShare,
    }),
  );
}
const times = (count: number, look: Look) => Array.from({ length: count }, () => look);

describe('how many connections a transfer uses', () => {
  it('is one more if neither the CPU nor the size is the limit', () => {
    assert.deepEqual(plan(times(3, { moved: [1e6] })), [undefined, undefined, 'add']);
  });

  it('stays one if the CPU is the limit, or little is left, or nothing moves yet', () => {
    assert.ok(plan(times(9, { moved: [90e6], cpuShare: 0.8 })).every((step) => step === undefined));
    assert.ok(plan(times(9, { moved: [90e6], leftBytes: 200e6 })).every((step) => step === undefined));
    assert.ok(plan(times(9, { moved: [0] })).every((step) => step === undefined));
  });

  it('goes back to fewer for the rest of the transfer if another one gained nothing', () => {
    const steps = plan([
      ...times(3, { moved: [40e6] }),
      ...times(3, { moved: [20e6, 21e6] }),
      ...times(9, { moved: [40e6] }),
    ]);
    assert.deepEqual(steps[5], { drop: 1 });
    assert.deepEqual(steps.filter((step) => step !== undefined).length, 2);
  });

  it('does not include a very slow one, even the first, and another may be added then', () => {
    const both = { moved: [1e6, 25e6] };
    const steps = plan([...times(3, { moved: [1e6] }), ...times(3, both), { moved: [25e6] }]);
    assert.deepEqual(steps.slice(5), [{ drop: 0 }, 'add']);
  });

  it('is never more than the other side accepts', () => {
    assert.ok(plan(times(9, { moved: [5e6, 5e6, 5e6, 5e6] })).every((step) => step === undefined));
  });
});
