import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { ensureTools, type Tools } from '../../../stack/index.ts';

/** Loads labels as sleap-nn does and prints which of their videos were opened. `[name, backend | embedded source]` a video. */
const LOAD = `
import json, os, sys
sys.path.insert(0, sys.argv[1])
job = json.loads(sys.argv[2])
os.chdir(os.path.join(job["folder"], "dataset"))
import h5py, numpy as np, sleap_io as sio
names = job["videos"]
with h5py.File("labels.slp", "a") as f:
    first = lambda n: n[0] if isinstance(n, list) else n
    rows = [json.dumps({"filename": first(n), "backend": {"filename": first(n), "dataset": "images", "shape": [4, 8, 8, 1], **({"filenames": n} if isinstance(n, list) else {})}}) for n in names]
    del f["videos_json"]
    f.create_dataset("videos_json", data=rows, dtype=h5py.string_dtype())
if not job["everything"]:
    from own_videos import open_own_videos_only
    open_own_videos_only(job["folder"])
labels = sio.load_slp("labels.slp")
print(json.dumps([[v.backend is not None, bool(v.exists())] for v in labels.videos]))
`;

const IMAGES = `
import h5py, numpy as np, sys
for path in sys.argv[1:]:
    with h5py.File(path, "w") as f:
        f["images"] = np.zeros((4, 8, 8, 1), "u1")
`;

describe('videos that labels name', function () {
  this.timeout(120_000);
  let folder: string;
  let tools: Tools;

  before(async function () {
    this.timeout(600_000);
    tools = await ensureTools();
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sleap-rtc-videos-'));
    await mkdir(join(folder, 'job/dataset'), { recursive: true });
    await copyFile(join(tools.sampleDataDir, 'minimal_instance.pkg.slp'), join(folder, 'job/dataset/labels.slp'));
    await execa(tools.python, ['-c', IMAGES, join(folder, 'secret.h5'), join(folder, 'job/dataset/own.h5')]);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function load(videos: unknown[], everything = false): Promise<{ opened: unknown; log: string }> {
    const job = { folder: join(folder, 'job'), videos, everything };
    const { stdout, stderr } = await execa(tools.python, ['-c', LOAD, import.meta.dirname, JSON.stringify(job)]);
    return { opened: JSON.parse(stdout.split('\n').at(-1) ?? ''), log: stderr };
  }

  it('are opened if they are files of the job', async () => {
    const { opened } = await load(['own.h5', join(folder, 'job/dataset/own.h5')]);
    assert.deepEqual(opened, [
      [true, true],
      [true, true],
    ]);
  });

  it('are not opened if they are other files of the worker, and the log names them', async () => {
    const outside = [join(folder, 'secret.h5'), '../../secret.h5', [join(folder, 'secret.h5')]];
    const { opened, log } = await load(outside);
    assert.deepEqual(
      opened,
      outside.map(() => [false, false]),
    );
    assert.match(log, /the video '.*secret\.h5' is not part of this job/);
    const { opened: before } = await load([join(folder, 'secret.h5')], true);
    assert.deepEqual(before, [[true, true]], 'sleap-io would open it');
  });

  it('are not requested if they are addresses in the worker’s network', async () => {
    let requests = 0;
    const server = createServer((_, response) => {
      requests += 1;
      response.end();
    }).listen(0, '127.0.0.1');
    try {
      await new Promise((resolve) => server.once('listening', resolve));
      const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret`;
      const { opened } = await load([`${address}.h5`, `${address}.mp4`]);
      assert.deepEqual(opened, [
        [false, false],
        [false, false],
      ]);
      assert.equal(requests, 0);
      await load([`${address}.h5`], true);
      assert.ok(requests > 0, 'sleap-io would request it');
    } finally {
      server.close();
    }
  });
});
