import { parse } from 'yaml';
import { z } from 'zod';
import { invalid } from './zip-entries.ts';

const Paths = z.union([z.string(), z.array(z.string())]).nullish();

/** `jobs.yaml` of SLEAP's *Export training job package*; only what says which config trains on which labels is read. */
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

/** One training of a package: names of its files. */
export interface PackagedTraining {
  config: string;
  trainLabels: string[];
  valLabels: string[];
}

/** What a package asks for. */
export interface PackagedJobs {
  trainings: PackagedTraining[];
  /** Number of predictions that it would also like made. */
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
    const where = parsed.error.issues[0]?.path.join('.') || 'the top';
    throw invalid(name, `its jobs.yaml is not as SLEAP writes it (at ${where})`, parsed.error);
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
