import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { z } from 'zod';
import { ensureTools } from './setup.ts';
import { type Stack, startStack } from './stack.ts';
import { processesGone } from './testing/processes-gone.ts';
import { withFolder } from './testing/with-folder.ts';

/** All processes of a stack. */
function allPids(stack: Stack): number[] {
  const { temporal, s3, dynamodb, cognito, turn } = stack.servers;
  return [temporal, s3, dynamodb, cognito, turn, ...Object.values(stack.pids()).map((pid) => ({ pid }))]
    .map((server) => server?.pid)
    .filter((pid) => pid !== undefined);
}

describe('startStack', function () {
  this.timeout(180_000);

  it('runs twice at once, and leaves nothing running when stopped', () =>
    withFolder(async (dir) => {
      const tools = await ensureTools({ parts: ['servers'] });
      const unexpected: string[] = [];
      const stacks = await Promise.all(
        ['one', 'two'].map((name) =>
          startStack({ dir: join(dir, name), tools, onUnexpectedExit: (message) => unexpected.push(message) }),
        ),
      );
      const pids = stacks.flatMap(allPids);
      try {
        assert.equal(new Set(pids).size, pids.length);
        for (const address of ['serverUrl', 'temporalAddress', 'temporalUiUrl'] as const) {
          assert.equal(new Set(stacks.map((stack) => stack[address])).size, 2, address);
        }
        for (const stack of stacks) {
          const reply = await fetch(`${stack.serverUrl}/anonymous-signin`, { method: 'POST' });
          assert.equal(reply.ok, true, await reply.text());
        }
      } finally {
        await Promise.all(stacks.map((stack) => stack.stop()));
      }
      await processesGone(pids);
      assert.deepEqual(unexpected, []);
      const logs = await Promise.all(
        ['signaling', 'control', 's3'].map((name) => readFile(join(dir, 'one/logs', `${name}.log`), 'utf8')),
      );
      const secret = stacks[0]?.s3.secretAccessKey ?? 'none';
      assert(!logs.join('').includes(secret), 'a secret is in a log');
    }));

  it('leaves nothing running when the process that started it is killed with kill -9', () =>
    withFolder(async (dir) => {
      const tools = await ensureTools({ parts: ['servers'] });
      const module = fileURLToPath(new URL('stack.ts', import.meta.url));
      const script = `import { startStack } from ${JSON.stringify(module)};
        const stack = await startStack({ dir: ${JSON.stringify(dir)}, tools: ${JSON.stringify(tools)} });
        const servers = Object.values(stack.servers).map((server) => server?.pid).filter(Boolean);
        console.log(JSON.stringify([...servers, ...Object.values(stack.pids())]));`;
      const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
      const owner = execa(process.execPath, args, { reject: false });
      const [line] = await once(createInterface({ input: owner.stdout }), 'line');
      const pids = z
        .array(z.number())
        .min(6)
        .parse(JSON.parse(z.string().parse(line)));
      owner.kill('SIGKILL');
      await owner;
      await processesGone(pids);
    }));

  it('stops the parts that have started if one cannot start', () =>
    withFolder(async (dir) => {
      const tools = await ensureTools({ parts: ['servers'] });
      await assert.rejects(
        startStack({ dir, tools: { ...tools, weed: '/no/such/weed' } }),
        /s3 ended before it was ready \(exit code 127\)/,
      );
    }));

  it('reports which part ended by itself', () =>
    withFolder(async (dir) => {
      const tools = await ensureTools({ parts: ['servers'] });
      const { promise: message, resolve } = Promise.withResolvers<string>();
      const stack = await startStack({ dir, tools, onUnexpectedExit: resolve });
      try {
        process.kill(stack.pids().control ?? 0, 'SIGKILL');
        assert.match(await message, /^control ended \(SIGKILL\); its log: .*control\.log$/);
      } finally {
        await stack.stop();
      }
    }));
});
