import type { FileEntry } from '../../../protocol/files.ts';
import { InferenceSpec } from '../../../protocol/jobs/job.ts';
import type { PreparedInference } from '../inputs/prepare-inference.ts';
import { commonSpec, type JobOptions, notAccepted } from './job-spec.ts';

/** What the researcher chose, except the input. */
export interface InferenceOptions extends JobOptions {
  /** Model ids. */
  models: string[];
  /** Frames such as `0-49`; undefined means all. */
  frames?: string | undefined;
  tracking: boolean;
}

/** Makes the job's spec. @throws SleapRtcError USAGE naming the option that is wrong */
export function inferenceSpec(
  prepared: Pick<PreparedInference, 'name' | 'input' | 'sourcePath'>,
  entries: FileEntry[],
  options: InferenceOptions,
): InferenceSpec {
  const parsed = InferenceSpec.safeParse({
    kind: 'inference',
    ...commonSpec(prepared.name, entries, options),
    models: options.models,
    input: prepared.input,
    ...(isAccepted(prepared.sourcePath) ? { source_path: prepared.sourcePath } : {}),
    ...(options.frames === undefined ? {} : { frames: options.frames }),
    tracking: options.tracking,
  });
  if (parsed.success) return parsed.data;
  throw notAccepted(parsed.error);
}

/** The spec has no room for every path. Without one, the predictions refer to the file by its name only. */
function isAccepted(path: string): boolean {
  return InferenceSpec.shape.source_path.safeParse(path).success;
}
