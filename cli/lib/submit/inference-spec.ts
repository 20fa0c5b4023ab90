import type { FileEntry } from '../../../protocol/files.ts';
import { InferenceSpec, type JobRequirements } from '../../../protocol/job.ts';
import type { PreparedInference } from '../inputs/prepare-inference.ts';
import { notAccepted } from './training-spec.ts';

/** What the researcher chose besides the input. */
export interface InferenceOptions {
  jobId: string;
  /** Ids, resolved from aliases. */
  models: string[];
  /** Frames such as `0-49`; undefined: all. */
  frames?: string | undefined;
  tracking: boolean;
  requirements: JobRequirements;
  /** False: the data must stay on the worker. */
  stage: boolean;
  /** 1 to 5; undefined: the usual one. */
  priority?: number | undefined;
}

/** Makes the job's spec, or says which option is wrong. @throws SleapRtcError USAGE */
export function inferenceSpec(
  prepared: Pick<PreparedInference, 'name' | 'input' | 'sourcePath'>,
  entries: FileEntry[],
  options: InferenceOptions,
): InferenceSpec {
  const parsed = InferenceSpec.safeParse({
    kind: 'inference',
    job_id: options.jobId,
    name: prepared.name.slice(0, 200),
    files: entries,
    requirements: options.requirements,
    stage: options.stage,
    priority: options.priority,
    models: options.models,
    input: prepared.input,
    ...(isTellable(prepared.sourcePath) ? { source_path: prepared.sourcePath } : {}),
    ...(options.frames === undefined ? {} : { frames: options.frames }),
    tracking: options.tracking,
  });
  if (parsed.success) return parsed.data;
  throw notAccepted(parsed.error);
}

/** A path that the job cannot carry is left out: the predictions then name the file without its folder. */
function isTellable(path: string): boolean {
  return InferenceSpec.shape.source_path.safeParse(path).success;
}
