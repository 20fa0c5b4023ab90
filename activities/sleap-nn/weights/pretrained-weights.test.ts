import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { namedWeights } from './named-weights.ts';
import { fetchWeights, useWeights } from './pretrained-weights.ts';

const WEIGHTS = Buffer.from('weights');
const HASH = createHash('sha256').update(WEIGHTS).digest('hex').slice(0, 8);

describe('weights that others have trained', () => {
  let workDir: string;
  let server: Server;
  let requests: string[];

  beforeEach(async () => {
    workDir = await mkdtemp(join(tmpdir(), 'sleap-rtc-weights-'));
    requests = [];
    server = createServer((request, response) => {
      requests.push(request.url ?? '');
      if (request.url?.includes('missing')) response.writeHead(404).end();
      else response.end(WEIGHTS);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    server.close();
    await rm(workDir, { recursive: true, force: true });
  });

  function get(name: string) {
    const place = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/`;
    const files = { Good: `good-${HASH}.pth`, Other: 'other-01234567.pth', Missing: `missing-${HASH}.pth` };
    const signal = AbortSignal.timeout(20_000);
    return fetchWeights(name, { workDir, signal, code: 'CONFIG_INVALID', source: { place, files } });
  }

  it('are fetched once, to where torch looks for them', async () => {
    const fetched = await get('Good');
    assert.deepEqual(await get('Good'), fetched);
    assert.deepEqual(requests, [`/models/good-${HASH}.pth`]);
    assert.deepEqual(await readFile(fetched.file), WEIGHTS);
    const { files, env } = useWeights([fetched]);
    assert.deepEqual(files, [join(env.TORCH_HOME ?? '', `hub/checkpoints/good-${HASH}.pth`)]);
  });

  it('are not used if they are others than their name promises, and a missing or unknown file fails the job at once', async () => {
    await assert.rejects(get('Other'), {
      code: 'CONFIG_INVALID',
      message: /Other.*not the one that its name promises/,
    });
    await assert.rejects(get('Missing'), { code: 'CONFIG_INVALID', message: /Missing.*404/ });
    await assert.rejects(get('constructor'), { code: 'CONFIG_INVALID', message: /does not know.*constructor/ });
    assert.deepEqual(await readdir(join(workDir, 'torch/hub/checkpoints')), []);
  });

  it('are found in the config of a model, also to predict with it', () => {
    const config = (weights: string) => `model_config: {backbone_config: {swint: {pre_trained_weights: ${weights}}}}`;
    assert.deepEqual(namedWeights(config('Swin_T_Weights')), ['Swin_T_Weights']);
    for (const text of [config('null'), '', 'model_config: [']) assert.deepEqual(namedWeights(text), []);
  });
});
