import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execaNode } from 'execa';
import { Owned } from './testing/owned.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';
import { TestSignaling } from './testing/test-signaling.ts';

const CHILD = fileURLToPath(new URL('./testing/transfer-child.ts', import.meta.url));
/** The file is so large that a side would fail the test if it had a quarter of the file in memory. */
const MEGABYTES = 640;
/** Memory that each side may use above what it used before the transfer (`PROTOCOL.md`). */
const MOST_MEGABYTES = 150;

describe('memory', () => {
  const owned = new Owned();
  afterEach(owned.end);

  it(`stays within ${MOST_MEGABYTES} MB per side above idle, however large the file`, async function () {
    this.timeout(60_000);
    if (process.platform !== 'linux') this.skip(); // peaks are read from /proc
    const signaling = owned.add(await TestSignaling.start());
    const from = owned.add(await temporaryFolder()).path;
    const to = owned.add(await temporaryFolder()).path;
    await writeDistinct(join(from, 'video.mp4'), MEGABYTES);
    const sender = start(owned, 'send', signaling.url, from);
    await sender.until('ready');
    const receiver = start(owned, 'receive', signaling.url, to);
    const peaks = await Promise.all([sender.until('above_idle_mb'), receiver.until('above_idle_mb')]);
    assert.equal((await stat(join(to, 'video.mp4'))).size, MEGABYTES * 2 ** 20);
    for (const [index, peak] of peaks.entries()) {
      const side = ['sender', 'receiver'][index];
      assert.ok(peak < MOST_MEGABYTES, `the ${side} took ${peak.toFixed(0)} MB above idle`);
    }
  });
});

/** No two blocks are the same, so that all of them are sent. */
async function writeDistinct(path: string, megabytes: number): Promise<void> {
  const handle = await open(path, 'w');
  const block = randomBytes(2 ** 20);
  for (let index = 0; index < megabytes; index += 1) {
    block.writeUInt32BE(index);
    await handle.write(block);
  }
  await handle.close();
}

/** A side in its own process, which is killed at the end of the test. */
function start(owned: Owned, role: string, serverUrl: string, folder: string) {
  const child = execaNode(CHILD, [role, serverUrl, 'client-1', folder], {
    stdin: 'ignore',
    stderr: 'inherit',
    reject: false,
    nodeOptions: ['--disable-warning=ExperimentalWarning'],
  });
  const reports: Record<string, unknown>[] = [];
  let wake = Promise.withResolvers<void>();
  void (async () => {
    for await (const line of child.iterable()) {
      reports.push(JSON.parse(String(line)) as Record<string, unknown>);
      wake.resolve();
      wake = Promise.withResolvers();
    }
  })();
  owned.add({
    async close() {
      child.kill('SIGKILL');
      await child;
    },
  });
  return {
    /** The first value that the side reports under this name, as a number. */
    async until(name: string): Promise<number> {
      for (;;) {
        const report = reports.find((each) => name in each);
        if (report !== undefined) return Number(report[name]);
        await wake.promise;
      }
    },
  };
}
