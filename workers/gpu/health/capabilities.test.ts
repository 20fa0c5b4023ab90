import assert from 'node:assert/strict';
import { detectCapabilities, parseNvidiaSmi } from './capabilities.ts';

describe('GPU capabilities', () => {
  it('reads the first GPU of nvidia-smi', () => {
    assert.deepEqual(parseNvidiaSmi('NVIDIA H100 80GB HBM3, 81559\nNVIDIA H100 80GB HBM3, 81559\n'), {
      gpuModel: 'NVIDIA H100 80GB HBM3',
      gpuMemoryMb: 81559,
    });
  });

  it('says that there is no GPU if nvidia-smi is missing, so that jobs do not expect one', async () => {
    const found = await detectCapabilities('no-such-nvidia-smi');
    assert.equal(found.gpuMemoryMb, 0);
    assert.match(found.gpuModel, /^none/);
  });

  it('does not take an error text for a GPU', () => {
    assert.equal(
      parseNvidiaSmi('NVIDIA-SMI has failed because it couldn’t communicate with the NVIDIA driver.'),
      undefined,
    );
  });
});
