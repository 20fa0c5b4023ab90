import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { z } from 'zod';
import { freePort } from './ports.ts';

describe('freePort', () => {
  it('gives ports that can be listened on, and none of them twice', async () => {
    const ports = await Promise.all(Array.from({ length: 80 }, freePort));
    assert.equal(new Set(ports).size, ports.length);
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(ports[0], '127.0.0.1', resolve);
    });
    server.close();
  });

  it('gives two processes different ports, even before either uses them', async () => {
    const module = fileURLToPath(new URL('ports.ts', import.meta.url));
    const script = `import { freePort } from ${JSON.stringify(module)};
      const ports = []; for (let i = 0; i < 200; i++) ports.push(await freePort());
      console.log(ports.join(' '));
      await new Promise((resolve) => process.stdin.once('data', resolve)); process.exit();`;
    const args = ['--disable-warning=ExperimentalWarning', '--input-type=module-typescript', '-e', script];
    const processes = Array.from({ length: 4 }, () => execa(process.execPath, args));
    const lists = await Promise.all(
      processes.map(async (subprocess) => {
        const [line] = await once(createInterface({ input: subprocess.stdout }), 'line');
        return z.string().parse(line).split(' ');
      }),
    );
    for (const subprocess of processes) subprocess.stdin.end('\n');
    await Promise.allSettled(processes);
    assert.equal(new Set(lists.flat()).size, 800);
  });
});
