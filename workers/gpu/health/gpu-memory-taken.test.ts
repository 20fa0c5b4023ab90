import assert from 'node:assert/strict';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { gpuMemoryTakenOr } from './gpu-memory-taken.ts';

describe('a job that runs out of GPU memory', () => {
  const outOfMemory = new SleapRtcError('GPU_OUT_OF_MEMORY', 'The GPU has too little memory for this config.');
  const using = (usedMb: number) => async () => ({ usedMb, totalMb: 24_000 });

  it('moves to another worker if another program has the memory, and ends if the memory is free: its config is too large', async () => {
    const taken = await gpuMemoryTakenOr(outOfMemory, using(20_000));
    assert.ok(taken instanceof SleapRtcError);
    assert.equal(taken.code, 'GPU_MEMORY_TAKEN');
    assert.match(taken.message, /uses 21\.0 GB of the 25\.2 GB/);
    assert.equal(await gpuMemoryTakenOr(outOfMemory, using(500)), outOfMemory);
    assert.equal(await gpuMemoryTakenOr(outOfMemory, async () => undefined), outOfMemory);
  });

  it('is not assumed for other errors', async () => {
    const other = new SleapRtcError('TRAINING_FAILED', 'no');
    assert.equal(await gpuMemoryTakenOr(other, using(20_000)), other);
  });
});
