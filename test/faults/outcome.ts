import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { execa } from 'execa';
import { totalBytes } from '../../protocol/files.ts';
import { JobStatus } from '../../protocol/jobs/job.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { ModelFiles } from '../../protocol/stored/stored-objects.ts';
import { jobWorkflowId } from '../../protocol/temporal/queues.ts';
import { processesGone } from '../../stack/testing/processes-gone.ts';
import { keysIn, textIn } from '../support/bucket.ts';
import type { FaultRoom } from './fault-room.ts';

const FRAMES = `
import json, sys, sleap_io
print(json.dumps(sorted(frame.frame_idx for frame in sleap_io.load_slp(sys.argv[1]))))
`;

/** What the room had before a job. */
export interface Before {
  models: string[];
}

export async function stateBefore(at: FaultRoom): Promise<Before> {
  return { models: Object.keys((await at.room.manifest()).models) };
}

/** How a job's workflow ended. */
export async function finalStatus(at: FaultRoom, jobId: string): Promise<JobStatus> {
  const handle = at.temporal.workflow.getHandle(jobWorkflowId(at.room.id, jobId));
  await handle.result().catch(() => undefined); // the query returns how it ended
  return JobStatus.parse(await handle.query('jobStatus'));
}

/**
 * Checks that the job has published its model once, that S3 has all of it and nothing else, and that the researcher has the
 * same files and nothing else.
 * @param outputs folders of which each must contain the model, and nothing else
 */
export async function publishedOnce(at: FaultRoom, before: Before, jobId: string, outputs: string[]): Promise<void> {
  const status = await finalStatus(at, jobId);
  assert.equal(status.phase, 'done', JSON.stringify(status.error));
  const manifest = await at.room.manifest();
  const added = Object.keys(manifest.models).filter((id) => !before.models.includes(id));
  assert.deepEqual(
    added,
    status.models.map(({ id }) => id),
    'one model in the manifest, the job’s own',
  );
  assert.equal(added.length, 1);
  const [id = ''] = added;
  const list = ModelFiles.parse(JSON.parse(await textIn(at.bucket, s3Layout.modelFiles(at.room.id, id))));
  assert.equal(list.job_id, jobId);
  assert.equal(manifest.models[id]?.size_bytes, totalBytes(list.files), 'the manifest has the size of what S3 has');
  const promised = Object.fromEntries(list.files.map(({ path, sha256 }) => [path, sha256]));
  assert.ok(promised['best.ckpt']);
  const { 'files.json': _, ...stored } = await hashesInS3(at, s3Layout.model(at.room.id, id));
  assert.deepEqual(stored, promised, 'S3 has the files of the list, byte for byte, and no others');
  const curve =
    (await textIn(at.bucket, `${s3Layout.model(at.room.id, id)}training_log.csv`)).trim().split('\n').length - 1;
  assert.equal(curve, manifest.models[id]?.training.epochs, 'the curve has every epoch once');
  for (const output of outputs) {
    const [name = '', ...others] = await readdir(output);
    assert.deepEqual(others, [], 'nothing lies beside the model');
    assert.deepEqual(await hashesOnDisk(join(output, name)), promised, 'the researcher has the room’s files');
  }
  await nothingHalfMade(at);
}

/** Checks that the job ended so and has left nothing: no model in the manifest, none in S3, none on the researcher's disk. */
export async function nothingPublished(
  at: FaultRoom,
  before: Before,
  jobId: string,
  ended: { phase: JobStatus['phase']; code?: string },
  outputs: string[],
): Promise<void> {
  const status = await finalStatus(at, jobId);
  assert.equal(status.phase, ended.phase, JSON.stringify(status.error));
  if (ended.code !== undefined) assert.equal(status.error?.code, ended.code);
  assert.deepEqual(Object.keys((await at.room.manifest()).models), before.models);
  for (const output of outputs) assert.deepEqual(await readdir(output).catch(() => []), []);
  await nothingHalfMade(at);
}

/** Checks that an inference has predicted each of the first `frames` frames once, and has published nothing. */
export async function predicted(
  at: FaultRoom,
  before: Before,
  jobId: string,
  output: string,
  frames: number,
): Promise<void> {
  const status = await finalStatus(at, jobId);
  assert.equal(status.phase, 'done', JSON.stringify(status.error));
  assert.deepEqual(Object.keys((await at.room.manifest()).models), before.models);
  const [name = '', ...others] = await readdir(output);
  assert.deepEqual(others, []);
  const { stdout } = await execa(at.room.tools.python, ['-c', FRAMES, join(output, name)]);
  assert.deepEqual(
    JSON.parse(stdout),
    Array.from({ length: frames }, (_, frame) => frame),
  );
  await nothingHalfMade(at);
}

/** Checks what must hold after any job: live workers have none of its files, caches and S3 have only whole models, no process is orphaned. */
async function nothingHalfMade(at: FaultRoom): Promise<void> {
  await at.untilFree();
  const models = Object.keys((await at.room.manifest()).models);
  const prefix = `${at.room.id}/models/`;
  const stray = (await keysIn(at.bucket, prefix)).filter(
    (key) => !models.includes(key.slice(prefix.length).split('/')[0] ?? ''),
  );
  assert.deepEqual(stray, [], 'S3 has no file of a model that is not in the manifest');
  for (const name of at.workerNames) {
    const { workDir } = at.worker(name);
    const left = (await readdir(join(workDir, 'jobs'))).filter((job) => !at.leftBehind.has(job));
    assert.deepEqual(left, [], `${name} has no files of a job that has ended`);
    for (const id of await readdir(join(workDir, 'models')).catch(() => [])) {
      if (!models.includes(id)) continue; // out of sight, or left to be used again
      const list = ModelFiles.parse(JSON.parse(await textIn(at.bucket, s3Layout.modelFiles(at.room.id, id))));
      const cached = await hashesOnDisk(join(workDir, 'models', id));
      for (const { path, sha256 } of list.files)
        assert.equal(cached[path], sha256, `${name} has ${path} of ${id} whole`);
    }
  }
  await processesGone(at.noted);
}

async function hashesInS3(at: FaultRoom, prefix: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const key of await keysIn(at.bucket, prefix)) {
    hashes[key.slice(prefix.length)] = sha256((await (await at.bucket.get(key))?.bytes()) ?? new Uint8Array());
  }
  return hashes;
}

async function hashesOnDisk(folder: string): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    hashes[relative(folder, path).split(sep).join('/')] = sha256(await readFile(path));
  }
  return hashes;
}

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}
