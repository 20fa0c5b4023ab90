import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { z } from 'zod';
import { fliesLabels, shortConfig } from '../support/samples.ts';
import { createRoom, type TestRoom, TrainResult } from '../support/test-room.ts';

const Workers = z.object({ workers: z.array(z.looseObject({ name: z.string() })) });

describe('two workers side by side', function () {
  this.timeout(300_000);
  let room: TestRoom;
  let config: string;

  before(async () => {
    room = await createRoom();
    config = await shortConfig(join(room.folder, 'short.yaml'));
    await room.startWorker('small');
    // There may be no GPU: a stand-in for the driver's own tool makes the second worker report one.
    const bin = join(room.folder, 'bin');
    await mkdir(bin);
    await writeFile(join(bin, 'nvidia-smi'), '#!/bin/sh\necho "NVIDIA A100-SXM4-40GB, 40960"\n');
    await chmod(join(bin, 'nvidia-smi'), 0o755);
    const path = `${bin}${delimiter}${process.env.PATH}`;
    await room.startWorker('big', { PATH: path, SLEAP_RTC_WORKER_TAGS: 'a100' });
  });

  const train = async (...flags: string[]) => {
    const out = join(room.folder, 'models');
    const args = ['train', fliesLabels(room.tools), '--config', config, '--retrain', '-o', out, ...flags];
    return TrainResult.parse(await room.json(args));
  };
  const trainedOn = async ({ models }: { models: { id: string }[] }) =>
    (await room.manifest()).models[models[0]?.id ?? '']?.trained_on_worker;

  it('are listed with GPU, memory and status', async () => {
    const { workers } = Workers.parse(await room.json(['workers', 'list']));
    const big = workers.find(({ name }) => name === 'big');
    assert.equal(big?.gpu_model, 'NVIDIA A100-SXM4-40GB');
    assert.equal(big?.gpu_memory_mb, 40_960);
    assert.equal(big?.status, 'available');
    const small = workers.find(({ name }) => name === 'small');
    assert.equal(small?.gpu_memory_mb, 0);
    // Whether sleap-nn is isolated depends on the machine; never if the worker's GPU cannot be seen in the sandbox.
    assert.match(String(small?.sandbox), /^(on|unavailable)$/);
    assert.equal(big?.sandbox, 'unavailable');
  });

  it('are chosen by GPU memory, by tag and by name', async () => {
    assert.equal(await trainedOn(await train('--min-gpu-memory', '20000')), 'big');
    assert.equal(await trainedOn(await train('--worker-tag', 'a100')), 'big');
    assert.equal(await trainedOn(await train('--worker', 'small')), 'small');
  });

  it('say so if no worker meets the requirements', async () => {
    const ended = await room.cli([
      'train',
      fliesLabels(room.tools),
      '--config',
      config,
      '--retrain',
      '--worker-tag',
      'h100',
      '--wait',
      '0.05',
    ]);
    assert.equal(ended.exitCode, 6, ended.stderr);
    assert.match(ended.stderr, /needs a worker with the tag h100: none of the 2 in the room is one/);
  });

  it('share the jobs of a room, with at most one job in each slot', async () => {
    const jobs = await Promise.all([train(), train(), train(), train()]);
    const on = await Promise.all(jobs.map(trainedOn));
    assert.deepEqual(new Set(on), new Set(['big', 'small']));
    for (const name of ['big', 'small']) {
      const log = await readFile(join(room.stack.dir, 'logs', `${name}.log`), 'utf8');
      const held = log
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line));
      let holder: string | undefined;
      for (const { event, job } of held) {
        if (event === 'session_opened') {
          assert.equal(holder, undefined, `${name} took ${job} while it had ${holder}`);
          holder = job;
        } else if (event === 'session_ended') holder = undefined;
      }
      assert.ok(held.some(({ event }) => event === 'session_opened'));
    }
  });
});
