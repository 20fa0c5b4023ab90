import assert from 'node:assert/strict';
import { appendFile, open, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Owned } from '../../testing/owned.ts';
import { temporaryFolder } from '../../testing/temporary-folder.ts';
import { arrived, transfer, writeOld } from '../../testing/transfer.ts';
import { describeFiles } from './describe-files.ts';
import { HashCache } from './hash-cache.ts';
import { MAX_CACHED_FILES } from './limits.ts';

const MiB = 1024 * 1024;

describe('the hash cache', () => {
  const owned = new Owned();
  let folder: string;
  let to: string;
  let store: string;

  beforeEach(async () => {
    folder = owned.add(await temporaryFolder()).path;
    to = owned.add(await temporaryFolder()).path;
    store = join(owned.add(await temporaryFolder()).path, 'hashes');
  });
  afterEach(owned.end);

  /** Changes a byte without telling the cache, and sets the time of change back. */
  async function exchange(path: string): Promise<void> {
    const { atime, mtime } = await stat(path);
    const handle = await open(path, 'r+');
    await handle.write(Buffer.from('!'), 0, 1, 0);
    await handle.close();
    await utimes(path, atime, mtime);
  }

  const describe_ = async (path: string, cache: HashCache) => {
    const [described] = await describeFiles([{ absolutePath: path, path: 'a.bin' }], { cache });
    assert.ok(described);
    return described;
  };

  it('offers an unchanged file again without reading it, also in the next process', async () => {
    const path = await writeOld(folder, 'a.bin', 3 * MiB + 5);
    const first = await describe_(path, await HashCache.open(store));
    assert.equal((await stat(store)).mode & 0o777, 0o600);

    // The cached hash is changed, to distinguish it from the file's.
    const cache = await HashCache.open(store);
    const known = await cache.find(path);
    assert.ok(known);
    assert.deepEqual([known.sha256, known.identity], [first.entry.sha256, first.identity]);
    assert.ok(Buffer.from(known.blockHashes).equals(Buffer.from(first.blockHashes ?? [])));
    cache.add(path, { ...known, sha256: 'a'.repeat(64) });
    assert.equal((await describe_(path, cache)).entry.sha256, 'a'.repeat(64));
  });

  it('reads a file again that was changed, even if its size and its time do not show it', async () => {
    const path = await writeOld(folder, 'a.bin', 2 * MiB);
    const cache = await HashCache.open(store);
    const changes = [
      () => exchange(path),
      () => appendFile(path, 'x'),
      () => truncate(path, MiB),
      async () => writeOld(folder, 'a.bin', MiB),
    ];
    const seen = new Set([(await describe_(path, cache)).entry.sha256]);
    for (const change of changes) {
      await change();
      seen.add((await describe_(path, cache)).entry.sha256);
    }
    assert.equal(seen.size, 1 + changes.length);
  });

  it('does not remember a file that was written to just now: the next change may not show', async () => {
    const path = join(folder, 'a.bin');
    await writeFile(path, 'just now');
    const cache = await HashCache.open(store);
    assert.equal((await describe_(path, cache)).identity, undefined);
    assert.equal(await cache.find(path), undefined);
  });

  it('is empty if its file is damaged, cut off or from another version', async () => {
    const path = await writeOld(folder, 'a.bin', 2 * MiB);
    await describe_(path, await HashCache.open(store));
    const good = await readFile(store, 'utf8');
    assert.ok(await (await HashCache.open(store)).find(path));
    const flip = (at: number) => `${good.slice(0, at)}${good[at] === 'A' ? 'B' : 'A'}${good.slice(at + 1)}`;
    for (const bad of [
      flip(good.length - 10),
      flip(3),
      good.slice(0, -1),
      '',
      '{}',
      good.replace('hashes 1', 'hashes 2'),
    ]) {
      await writeFile(store, bad);
      assert.deepEqual([...(await HashCache.open(store)).entries()], []);
    }
  });

  it('forgets the least recently used files when it is full', async () => {
    const cache = HashCache.inMemory();
    const known = { identity: 'x', sizeBytes: 1, sha256: 'a'.repeat(64), blockHashes: Buffer.alloc(32) };
    for (let i = 0; i < MAX_CACHED_FILES + 2; i += 1) cache.add(`/${i}`, known);
    const paths = [...cache.entries()].map(([path]) => path);
    assert.deepEqual([paths.length, paths[0]], [MAX_CACHED_FILES, '/2']);
    const huge = { ...known, sizeBytes: 2 ** 38, blockHashes: Buffer.alloc(2 ** 18 * 32) };
    for (const path of ['/a', '/b', '/c']) cache.add(path, huge);
    assert.ok([...cache.entries()].length < MAX_CACHED_FILES);
    assert.ok(![...cache.entries()].some(([path]) => path === '/a'));
  });

  it('costs at most one failed attempt if it is wrong about a file: then the file is read again', async () => {
    const path = await writeOld(folder, 'a.bin', 3 * MiB);
    const cache = await HashCache.open(store);
    const { identity } = await describe_(path, cache);
    assert.ok(identity !== undefined);
    const lie = { identity, sizeBytes: 3 * MiB, sha256: 'b'.repeat(64), blockHashes: Buffer.alloc(3 * 32, 1) };
    cache.add(path, lie);
    const wrong = await transfer({ files: [await describe_(path, cache)], to, send: { cache } });
    assert.deepEqual(wrong.codes, ['SOURCE_CHANGED', 'SOURCE_CHANGED']);
    const files = [await describe_(path, cache)];
    assert.deepEqual((await transfer({ files, to, send: { cache } })).codes, ['ok', 'ok']);
    assert.ok(await arrived(files, to));
  });
});
