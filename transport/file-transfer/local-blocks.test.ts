import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFile, open, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Owned } from '../testing/owned.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { age, arrived, transfer, writeOld } from '../testing/transfer.ts';
import { describeFiles, type SourceFile } from './disk/describe-files.ts';
import { fileIdentity } from './disk/file-identity.ts';
import { HashCache } from './disk/hash-cache.ts';

const MiB = 1024 * 1024;

describe('what the receiver has already is not sent', () => {
  const owned = new Owned();
  let from: string;
  let pod: string;
  let cache: HashCache;

  beforeEach(async () => {
    from = owned.add(await temporaryFolder()).path;
    pod = owned.add(await temporaryFolder()).path;
    cache = HashCache.inMemory();
  });
  afterEach(owned.end);

  async function make(files: Record<string, Uint8Array | number>): Promise<SourceFile[]> {
    const list = [];
    for (const [path, content] of Object.entries(files)) {
      list.push({ path, absolutePath: await writeOld(from, path, content) });
    }
    return describeFiles(list);
  }

  /** Receives for a job on a worker that has other jobs' files too. */
  const receive = (files: SourceFile[], job: string, link = true) =>
    transfer({ files, to: join(pod, job), receive: { cache, reuse: { folders: [pod], link } } });

  for (const link of [true, false]) {
    it(`as a file under another name, ${link ? 'which becomes the same file' : 'which is copied'}`, async () => {
      await receive(await make({ 'a/labels.slp': 5 * MiB + 3 }), 'job1');
      await copyFile(join(from, 'a/labels.slp'), join(from, 'b.slp'));
      const files = await describeFiles([{ path: 'b.slp', absolutePath: join(from, 'b.slp') }]);
      const { codes, sentBytes, hashesAsked } = await receive(files, 'job2', link);
      assert.deepEqual([codes, sentBytes, hashesAsked], [['ok', 'ok'], 0, 0]);
      assert.ok(await arrived(files, join(pod, 'job2')));
      const [first, second] = [await stat(join(pod, 'job1/a/labels.slp')), await stat(join(pod, 'job2/b.slp'))];
      if (!link) assert.notEqual(first.ino, second.ino, 'who writes to a copy leaves the other as it is');
      const again = await receive(files, 'job3', link);
      assert.equal(again.sentBytes, 0, 'both names go on serving');
      assert.ok(await arrived(files, join(pod, 'job3')));
    });

    it(`but a file that somebody has changed is sent, linked or not (${link ? 'link' : 'copy'})`, async () => {
      const files = await make({ 'a.slp': 3 * MiB });
      await receive(files, 'job1');
      const path = join(pod, 'job1/a.slp');
      const { atime, mtime } = await stat(path);
      const handle = await open(path, 'r+');
      await handle.write(Buffer.from('changed'), 0, 7, MiB);
      await handle.close();
      await utimes(path, atime, mtime);
      const { codes, sentBytes } = await receive(files, 'job2', link);
      assert.deepEqual([codes, sentBytes], [['ok', 'ok'], 3 * MiB]);
      assert.ok(await arrived(files, join(pod, 'job2')));
    });
  }

  it('as blocks of another version of the file, in another job or under the same name', async () => {
    const content = randomBytes(20 * MiB);
    const name = 'labels.slp';
    await receive(await make({ [name]: content }), 'job1');
    randomBytes(10).copy(content, 7 * MiB + 5);
    const changed = await make({ [name]: Buffer.concat([content, randomBytes(100)]) });
    for (const job of ['job2', 'job1']) {
      const { codes, sentBytes } = await receive(changed, job);
      assert.deepEqual(codes, ['ok', 'ok']);
      assert.ok(sentBytes <= MiB + 100, `${sentBytes} bytes were sent`);
      assert.ok(await arrived(changed, join(pod, job)));
    }
  });

  it('as blocks of a file that somebody has put into the destination', async () => {
    const content = randomBytes(6 * MiB);
    await writeOld(join(pod, 'job1'), 'a.slp', content.subarray(0, 5 * MiB));
    const files = await make({ 'a.slp': content });
    assert.equal((await receive(files, 'job1')).sentBytes, MiB);
    assert.ok(await arrived(files, join(pod, 'job1')));
  });

  it('as a file that is offered twice, even if nothing is remembered', async () => {
    const content = randomBytes(4 * MiB);
    const files = await make({ 'best.ckpt': content, 'x/last.ckpt': content, 'shifted.bin': content.subarray(MiB) });
    const to = join(pod, 'results');
    const { codes, sentBytes } = await transfer({ files, to });
    assert.deepEqual([codes, sentBytes], [['ok', 'ok'], 4 * MiB]);
    assert.ok(await arrived(files, to));
    const inodes = await Promise.all(files.map(async ({ entry }) => (await stat(join(to, entry.path))).ino));
    assert.equal(new Set(inodes).size, 3, 'who changes one of them leaves the others as they are');
  });

  it('as a block that a file contains many times', async () => {
    const files = await make({ 'mask.bin': Buffer.alloc(60 * MiB) });
    const { codes, sentBytes } = await receive(files, 'job1');
    assert.deepEqual(codes, ['ok', 'ok']);
    assert.ok(sentBytes <= 16 * MiB, `${sentBytes} bytes were sent: no more than were asked for before the first came`);
    assert.ok(await arrived(files, join(pod, 'job1')));
  });

  it('but is if it was removed or shortened since', async () => {
    const files = await make({ 'a.slp': 3 * MiB, 'b.slp': 3 * MiB });
    await receive(files, 'job1');
    await rm(join(pod, 'job1/a.slp'));
    await truncate(join(pod, 'job1/b.slp'), MiB);
    const { codes, sentBytes } = await receive(files, 'job2');
    assert.deepEqual([codes, sentBytes], [['ok', 'ok'], 6 * MiB]);
    assert.ok(await arrived(files, join(pod, 'job2')));
  });

  it('only from folders that the receiver names', async () => {
    const files = await make({ 'a.slp': 2 * MiB });
    await receive(files, 'job1');
    const { sentBytes } = await transfer({ files, to: join(pod, 'job2'), receive: { cache } });
    assert.equal(sentBytes, 2 * MiB);
  });

  it('and is found without being read if it has its name already', async () => {
    const files = await make({ 'a.slp': 2 * MiB });
    await receive(files, 'job1');
    const path = join(pod, 'job1/a.slp');
    const known = await cache.find(path);
    assert.ok(known, 'a file that has just come is known');
    // The file and its cached identity are changed, to distinguish cached hashes from the file's.
    await writeFile(path, randomBytes(2 * MiB));
    await age(path);
    cache.add(path, { ...known, identity: fileIdentity(await stat(path, { bigint: true })) });
    assert.equal((await receive(files, 'job1')).sentBytes, 0);
    assert.ok(!(await readFile(path)).equals(await readFile(join(from, 'a.slp'))));
  });
});
