import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pino } from 'pino';
import type { JobInput, TrainingSpec } from '../../../protocol/jobs/job.ts';
import type { Bucket } from '../../../storage/index.ts';
import { describeFolder } from '../../files/file-hashes.ts';
import type { Sandbox } from '../../sandbox/index.ts';
import type { SleapNnDeps } from '../deps.ts';

/** A config that trains on the two flies in seconds. `trainer` is merged into `trainer_config`. */
export function fliesConfig(trainer: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    data_config: { train_labels_path: ['/home/her/elsewhere.pkg.slp'], validation_fraction: 0.1 },
    model_config: {
      backbone_config: { unet: { in_channels: 1, filters: 4, filters_rate: 1.5, max_stride: 8, output_stride: 4 } },
      head_configs: { centroid: { confmaps: { sigma: 3.0, output_stride: 4 } } },
    },
    trainer_config: {
      max_epochs: 2,
      train_steps_per_epoch: 3,
      min_train_steps_per_epoch: 1,
      trainer_accelerator: 'cpu',
      optimizer: { lr: 0.002 },
      ...trainer,
    },
  };
}

/** Lays a job's dataset out as `receiveDataset` does, and returns its input. */
export async function fliesJob(
  workDir: string,
  options: { labels: string; config?: Record<string, unknown>; jobId?: string },
): Promise<JobInput<TrainingSpec>> {
  const jobId = options.jobId ?? 'trainjob1';
  const dataset = join(workDir, 'jobs', jobId, 'dataset');
  await mkdir(dataset, { recursive: true });
  const labels = basename(options.labels);
  await copyFile(options.labels, join(dataset, labels));
  await writeFile(join(dataset, 'centroid.yaml'), JSON.stringify(options.config ?? fliesConfig())); // JSON is YAML
  return {
    spec: {
      kind: 'training',
      job_id: jobId,
      name: labels,
      files: await describeFolder(dataset),
      requirements: {},
      stage: true,
      runs: [
        { name: 'flies.n=1', config: 'centroid.yaml', train_labels: [labels], val_labels: [], model_type: 'centroid' },
      ],
      notes: '',
      tags: [],
    },
    context: { room_id: 'lab-flies', user_id: 'tester', submitted_at: new Date().toISOString() },
  };
}

/** Dependencies for a test, and the progress that was published. */
export function testDeps(workDir: string, sandbox: Sandbox, bucket: Bucket) {
  const published: Parameters<SleapNnDeps['publishProgress']>[0][] = [];
  const deps: SleapNnDeps = {
    workDir,
    sandbox,
    bucket,
    checkpointEveryMs: 3_600_000,
    publishProgress: (progress) => published.push(progress),
    logger: pino({ level: 'silent' }),
  };
  return { deps, published };
}

/** The text of a file, or an empty string if it does not exist yet. */
export function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
