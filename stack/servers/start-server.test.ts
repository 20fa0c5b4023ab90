import assert from 'node:assert/strict';
import { withFolder } from '../testing/with-folder.ts';
import { startServer } from './start-server.ts';

const program = (script: string) => ({ command: process.execPath, args: ['-e', script] });

describe('startServer', () => {
  it('tries other ports when the server finds its port taken', () =>
    withFolder(async (dir) => {
      let attempts = 0;
      const { child, health } = await startServer('server', { dir }, async () => {
        attempts++;
        const taken = `console.error('listen tcp 127.0.0.1:7233: bind: address already in use'); process.exitCode = 1;`;
        const script = attempts < 3 ? taken : `console.log('listening'); setInterval(() => {}, 1000);`;
        return { ...program(script), listening: /^listening$/, healthy: async () => 'well' };
      });
      assert.equal(health, 'well');
      assert.equal(attempts, 3);
      await child.stop();
    }));

  it('does not try again after a failure for another reason', () =>
    withFolder(async (dir) => {
      let attempts = 0;
      const starting = startServer('server', { dir }, async () => {
        attempts++;
        return {
          ...program(`console.error('no space left on device'); process.exitCode = 1;`),
          healthy: async () => undefined,
        };
      });
      await assert.rejects(starting, /no space left on device/);
      assert.equal(attempts, 1);
    }));
});
