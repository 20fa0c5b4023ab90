import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isMap, parseDocument } from 'yaml';
import type { FileEntry } from '../../protocol/files.ts';
import { formatTrainingLog, type TrainingLog } from '../../protocol/models/training-log.ts';
import { describeFolder, type FileHashes, linkOrCopy } from '../files/file-hashes.ts';
import type { Attempt } from './attempts.ts';
import { bestValLoss, mergeTrainingLogs, readTrainingLog } from './training-log.ts';

/** sleap-nn's configs. Each is also written as JSON, under the name in the seed's layout. */
const CONFIGS = ['training_config.yaml', 'initial_config.yaml'];
const BEST = 'best.ckpt';
const LOG = 'training_log.csv';

/**
 * Makes the model folder of a finished run from its attempts: the files of the last attempt, the best checkpoint of all
 * attempts, one log, and configs without the worker's own paths. The folder gets its name when it is complete.
 * @param attempts oldest first; the last one succeeded
 */
export async function collectModel(
  attempts: readonly Attempt[],
  modelFolder: string,
  hashes: FileHashes,
): Promise<{ files: FileEntry[]; log: TrainingLog }> {
  const last = attempts.at(-1);
  if (last === undefined) throw new Error('a model needs an attempt');
  const logs = await Promise.all(attempts.map(({ runFolder }) => readTrainingLog(join(runFolder, LOG))));
  const best = await bestAttempt(attempts, logs);
  const log = mergeTrainingLogs(logs);

  const partial = `${modelFolder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  for (const entry of await readdir(last.runFolder, { withFileTypes: true })) {
    // Folders are caches. last.ckpt is needed only to resume, and a finished run is not resumed.
    if (!entry.isFile() || entry.name === 'last.ckpt' || entry.name === BEST) continue;
    const from = join(last.runFolder, entry.name);
    const to = join(partial, entry.name);
    if (CONFIGS.includes(entry.name)) await renderConfig(from, to);
    else await linkOrCopy(from, to);
  }
  await linkOrCopy(join(best.runFolder, BEST), join(partial, BEST));
  if (attempts.length > 1) {
    await rm(join(partial, LOG), { force: true }); // may be a link: a write would change the attempt's own file
    await writeFile(join(partial, LOG), formatTrainingLog(log));
  }
  await rm(modelFolder, { recursive: true, force: true });
  await mkdir(dirname(modelFolder), { recursive: true });
  await rename(partial, modelFolder);
  return { files: await describeFolder(modelFolder, hashes), log };
}

/** The attempt whose best checkpoint has the lowest validation loss; not always the last: a resumed run forgets earlier scores. */
async function bestAttempt(attempts: readonly Attempt[], logs: readonly TrainingLog[]): Promise<Attempt> {
  let best: { attempt: Attempt; loss: number } | undefined;
  for (const [index, attempt] of attempts.entries()) {
    const log = logs[index];
    const loss = (log && bestValLoss(log)) ?? Number.POSITIVE_INFINITY;
    const has = await stat(join(attempt.runFolder, BEST)).catch(() => undefined);
    if (has !== undefined && (best === undefined || loss <= best.loss)) best = { attempt, loss };
  }
  if (best === undefined) throw new Error('no attempt has a best checkpoint');
  return best.attempt;
}

/** Writes one of sleap-nn's configs without the paths and ports of this worker, as YAML and as JSON. */
async function renderConfig(from: string, to: string): Promise<void> {
  const document = parseDocument(await readFile(from, 'utf8'));
  const reset: [path: string[], value: string | null][] = [
    [['trainer_config', 'ckpt_dir'], 'models'],
    [['trainer_config', 'resume_ckpt_path'], null],
    [['trainer_config', 'zmq', 'publish_port'], null],
    [['trainer_config', 'zmq', 'controller_port'], null],
    [['data_config', 'cache_img_path'], null],
  ];
  for (const [path, value] of reset) {
    if (isMap(document.getIn(path.slice(0, -1)))) document.setIn(path, value);
  }
  await writeFile(to, document.toString({ lineWidth: 0 }));
  await writeFile(to.replace(/\.yaml$/, '.json'), `${JSON.stringify(document.toJS(), null, 2)}\n`);
}
