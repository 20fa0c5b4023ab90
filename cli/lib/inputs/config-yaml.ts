import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parseDocument } from 'yaml';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { type ModelType, readTrainingConfig, type TrainingConfig } from '../../../protocol/models/sleap-config.ts';
import { fileSize } from './labels-file.ts';

/** Largest config, in bytes. Those of sleap-nn have a few kilobytes. */
const MAX_CONFIG_BYTES = 2 ** 20;

/** A config file that sleap-nn accepts, as far as this machine can check. */
export interface TrainingConfigFile {
  absolutePath: string;
  config: TrainingConfig;
  modelType: ModelType;
}

/**
 * Reads a sleap-nn training config.
 * @throws SleapRtcError FILE_NOT_FOUND, CONFIG_JSON_UNSUPPORTED, CONFIG_INVALID
 */
export async function readTrainingConfigFile(path: string): Promise<TrainingConfigFile> {
  const name = basename(path);
  const size = await fileSize(path);
  if (name.toLowerCase().endsWith('.json')) {
    throw new SleapRtcError(
      'CONFIG_JSON_UNSUPPORTED',
      `${name} is a config in the JSON format of SLEAP 1.4 and older.`,
    );
  }
  if (size > MAX_CONFIG_BYTES) throw new SleapRtcError('CONFIG_INVALID', `${name} is too large to be a config.`);
  const { config, modelType } = readTrainingConfig(parseYaml(await readFile(path, 'utf8'), name), name);
  return { absolutePath: path, config, modelType };
}

function parseYaml(text: string, name: string): unknown {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) {
    const line = error.linePos?.[0].line;
    const reason = error.message.split(/ at line |\n/)[0] ?? 'it cannot be read';
    throw new SleapRtcError(
      'CONFIG_INVALID',
      `${name} is not valid YAML${line === undefined ? '' : ` (line ${line})`}: ${reason}.`,
    );
  }
  try {
    return document.toJS() as unknown;
  } catch (cause) {
    // YAML aliases that expand without limit fail only here.
    throw new SleapRtcError('CONFIG_INVALID', `${name} is not a readable config.`, { cause });
  }
}
