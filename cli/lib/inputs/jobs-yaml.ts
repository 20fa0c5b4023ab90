import { parse } from 'yaml';
import { z } from 'zod';
import { invalid } from './zip-entries.ts';

const Paths = z.union([z.string(), z.array(z.string())]).nullish();

/** `jobs.yaml` of SLEAP's *Export training job package*. Only the fields that assign labels to configs are read. */
const JobsYaml = z.looseObject({
  training: z
    .array(z.looseObject({ cfg: z.string(), train_labels: Paths, val_labels: Paths }))
    .nullish()
    .transform((training) => training ?? []),
  inference: z
    .array(z.unknown())
    .nullish()
    .transform((inference) => inference ?? []),
});

/** The names of one training's files in a package. */
export interface PackagedTraining {
  config: string;
  trainLabels: string[];
  valLabels: string[];
}

/** The jobs that a package requests. */
export interface PackagedJobs {
  trainings: PackagedTraining[];
  /** Number of requested predictions. */
  inferences: number;
}

/** Reads `jobs.yaml`. @throws SleapRtcError PACKAGE_INVALID */
export function readJobsYaml(text: string, name: string): PackagedJobs {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw invalid(name, 'its jobs.yaml is not valid YAML', error);
  }
  const parsed = JobsYaml.safeParse(value);
  if (!parsed.success) {
    const where = parsed.error.issues[0]?.path.join('.') || 'its beginning';
    throw invalid(name, `its jobs.yaml is not one that SLEAP writes (see ${where})`, parsed.error);
  }
  const { training, inference } = parsed.data;
  if (training.length === 0) throw invalid(name, 'its jobs.yaml names no training');
  return {
    trainings: training.map((job) => ({
      config: job.cfg,
      trainLabels: list(job.train_labels),
      valLabels: list(job.val_labels),
    })),
    inferences: inference.length,
  };
}

function list(paths: z.infer<typeof Paths>): string[] {
  if (paths === null || paths === undefined || paths === '') return [];
  return typeof paths === 'string' ? [paths] : paths;
}
