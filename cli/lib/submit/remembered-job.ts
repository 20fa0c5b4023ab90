import { readdir, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { RelPath } from '../../../protocol/files.ts';
import { readPrivateJson, writePrivateJson } from '../settings/private-file.ts';

/** After this time nobody attaches to a job any more. */
const RETAIN_MS = 90 * 24 * 60 * 60_000;

const Path = z.string().transform((path) => resolve(path));

const RememberedInputs = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('training'),
    inputs: z.object({ labels: Path, configs: z.array(Path), valLabels: z.array(Path) }),
  }),
  z.object({ kind: z.literal('inference'), input: Path }),
]);
export type RememberedInputs = z.infer<typeof RememberedInputs>;

/** What this computer saves about a job that it submitted, so that `jobs attach` can serve its data again. */
const RememberedJob = z.intersection(
  z.object({
    output: Path,
    /** Names on the wire of the files that the job needs. */
    files: z.array(RelPath),
  }),
  RememberedInputs,
);
export type RememberedJob = z.infer<typeof RememberedJob>;

/** Saves a job, with absolute paths, and removes very old ones. */
export async function rememberJob(folder: string, jobId: string, job: RememberedJob): Promise<void> {
  await forgetOld(folder);
  await writePrivateJson(pathOf(folder, jobId), RememberedJob.parse(job));
}

/** Returns undefined if another machine submitted the job, or if it has ended. */
export async function recallJob(folder: string, jobId: string): Promise<RememberedJob | undefined> {
  return RememberedJob.safeParse(await readPrivateJson(pathOf(folder, jobId)).catch(() => undefined)).data;
}

/** Removes a job that has ended. */
export async function forgetJob(folder: string, jobId: string): Promise<void> {
  await rm(pathOf(folder, jobId), { force: true });
}

function pathOf(folder: string, jobId: string): string {
  return join(folder, 'jobs', `${jobId}.json`);
}

async function forgetOld(folder: string): Promise<void> {
  const names = await readdir(join(folder, 'jobs')).catch(() => []);
  for (const name of names) {
    const path = join(folder, 'jobs', name);
    const found = await stat(path).catch(() => undefined);
    if (found !== undefined && Date.now() - found.mtimeMs > RETAIN_MS) await rm(path, { force: true });
  }
}
