import assert from 'node:assert/strict';
import { childEnvironment } from './child-environment.ts';

describe('the environment of sleap-nn', () => {
  it('has what Python and a GPU need, and none of the worker’s secrets', () => {
    const { PATH, CUDA_VISIBLE_DEVICES, ...others } = childEnvironment({
      PATH: '/bin',
      CUDA_VISIBLE_DEVICES: '1',
      AWS_SECRET_ACCESS_KEY: 'secret-aws',
      SLEAP_RTC_TOKEN: 'secret-token',
      SLEAP_RTC_ROOM_KEY: 'secret-key',
      TEMPORAL_TLS_KEY: 'secret-temporal',
    });
    assert.deepEqual({ PATH, CUDA_VISIBLE_DEVICES }, { PATH: '/bin', CUDA_VISIBLE_DEVICES: '1' });
    assert.doesNotMatch(JSON.stringify(others), /secret/);
  });

  it('lets threads spin for a moment, unless the admin has chosen how they wait', () => {
    assert.equal(childEnvironment({}).GOMP_SPINCOUNT, '10000');
    assert.equal(childEnvironment({ GOMP_SPINCOUNT: '5' }).GOMP_SPINCOUNT, '5');
    const chosen = childEnvironment({ OMP_WAIT_POLICY: 'PASSIVE' });
    assert.equal(chosen.OMP_WAIT_POLICY, 'PASSIVE');
    // Would win over the policy.
    assert.equal(chosen.GOMP_SPINCOUNT, undefined);
  });
});
