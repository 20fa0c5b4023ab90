import { z } from 'zod';
import { SleapRtcError } from '../errors.ts';

/** sleap-nn's heads, in the order of its `HeadConfig`; a config has exactly one that is not null. */
export const ModelType = z.enum([
  'single_instance',
  'centroid',
  'centered_instance',
  'bottomup',
  'multi_class_bottomup',
  'multi_class_topdown',
]);
export type ModelType = z.infer<typeof ModelType>;

const TrainingConfig = z.looseObject({
  data_config: z.looseObject({}).nullish(),
  model_config: z.looseObject({ head_configs: z.record(z.string(), z.unknown()) }),
  trainer_config: z.looseObject({}).nullish(),
});

/** A sleap-nn training config, parsed from YAML. Only the parts that we need are checked; sleap-nn checks the rest. */
export type TrainingConfig = z.infer<typeof TrainingConfig>;

/**
 * Checks that a parsed YAML value is a sleap-nn training config. Returns it with its model type.
 * @throws SleapRtcError CONFIG_INVALID if a part is missing or wrong
 */
export function readTrainingConfig(value: unknown, name: string): { config: TrainingConfig; modelType: ModelType } {
  const parsed = TrainingConfig.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue?.path.join('.') || 'the file';
    throw new SleapRtcError(
      'CONFIG_INVALID',
      `${name} is not a sleap-nn training config: ${where} is missing or wrong.`,
    );
  }
  const heads = Object.entries(parsed.data.model_config.head_configs).filter(([, head]) => head !== null);
  const [head] = heads;
  if (head === undefined || heads.length !== 1) {
    const found = heads.length === 0 ? 'none' : heads.map(([key]) => key).join(', ');
    throw new SleapRtcError(
      'CONFIG_INVALID',
      `${name} must have one head in model_config.head_configs; it has ${found}.`,
    );
  }
  const modelType = ModelType.safeParse(head[0]);
  if (!modelType.success) {
    throw new SleapRtcError(
      'CONFIG_INVALID',
      `${name}: model_config.head_configs.${head[0]} is not a head that sleap-nn knows.`,
    );
  }
  return { config: parsed.data, modelType: modelType.data };
}
