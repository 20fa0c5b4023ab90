import { createWriteStream } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise, type ZipFile } from 'yauzl';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { bytes } from '../output/words.ts';
import { type PackagedTraining, readJobsYaml } from './jobs-yaml.ts';
import { fileSize } from './labels-file.ts';
import { type TempFolder, tempFolder } from './temp-folder.ts';
import { invalid, readZipEntries } from './zip-entries.ts';

/** Largest config or `jobs.yaml`, in bytes. Those of SLEAP have a few kilobytes. */
const MAX_YAML_BYTES = 2 ** 20;

/** A training job package. The files that the job needs are unpacked. */
export interface TrainingPackage {
  trainings: PackagedTraining[];
  /** Number of requested predictions, which `train` does not make. */
  inferences: number;
  /** The path of an unpacked file. */
  path(entry: string): string;
  /** Removes the unpacked files. */
  close(): Promise<void>;
}

/**
 * Opens a `*.training_job.zip`. Its scripts are neither unpacked nor run, since they were written for the exporter's machine.
 * @throws SleapRtcError FILE_NOT_FOUND, PACKAGE_INVALID, PATH_UNSAFE, CONFIG_JSON_UNSUPPORTED, DISK_FULL
 */
export async function openPackage(path: string): Promise<TrainingPackage> {
  const name = basename(path);
  await fileSize(path);
  const zip = await openZip(path, name);
  let folder: TempFolder | undefined;
  try {
    const all = await readZipEntries(zip, name).catch((error: unknown) => {
      throw error instanceof SleapRtcError ? error : invalid(name, 'its list of files is damaged', error);
    });
    const entries = withoutWrapper(all);
    const { trainings, inferences } = readJobsYaml(await readText(zip, findJobsYaml(entries, name), name), name);
    const needed = neededFiles(trainings, entries, name);
    folder = await tempFolder();
    await checkSpace(folder.path, [...needed.values()]);
    for (const [file, entry] of needed) await unpack(zip, entry, join(folder.path, file), name);
    const unpacked = folder;
    return {
      trainings,
      inferences,
      path: (entry) => join(unpacked.path, entry),
      close: () => unpacked.close(),
    };
  } catch (error) {
    await folder?.close();
    throw error;
  } finally {
    zip.close();
  }
}

async function openZip(path: string, name: string): Promise<ZipFile> {
  try {
    return await openPromise(path, { lazyEntries: true, autoClose: false, decodeStrings: false });
  } catch (error) {
    throw invalid(name, 'it is not a complete zip file', error);
  }
}

/** Removes a common top folder: a package that was unpacked and zipped again has one. */
function withoutWrapper(entries: Map<string, Entry>): Map<string, Entry> {
  const [first] = entries.keys();
  const wrapper = first?.includes('/') ? `${first.split('/')[0]}/` : undefined;
  if (wrapper === undefined || ![...entries.keys()].every((path) => path.startsWith(wrapper))) return entries;
  return new Map([...entries].map(([path, entry]) => [path.slice(wrapper.length), entry]));
}

function findJobsYaml(entries: Map<string, Entry>, name: string): Entry {
  const found = entries.get('jobs.yaml');
  if (found !== undefined) return found;
  throw invalid(name, 'it has no jobs.yaml, so it is not a training job package');
}

function neededFiles(trainings: PackagedTraining[], entries: Map<string, Entry>, name: string): Map<string, Entry> {
  const needed = new Map<string, Entry>();
  for (const training of trainings) {
    if (training.config.toLowerCase().endsWith('.json')) {
      throw new SleapRtcError(
        'CONFIG_JSON_UNSUPPORTED',
        `${name} has configs in the JSON format of SLEAP 1.4 and older (${training.config}).`,
      );
    }
    if (training.trainLabels.length === 0) throw invalid(name, `its jobs.yaml names no labels for ${training.config}`);
    for (const file of [training.config, ...training.trainLabels, ...training.valLabels]) {
      const entry = entries.get(file);
      if (entry === undefined)
        throw invalid(name, `its jobs.yaml names ${JSON.stringify(file)}, which is not in the package`);
      if (file === training.config && entry.uncompressedSize > MAX_YAML_BYTES)
        throw invalid(name, `${file} is too large`);
      needed.set(file, entry);
    }
  }
  return needed;
}

async function checkSpace(folder: string, entries: Entry[]): Promise<void> {
  const wanted = entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0);
  const { bavail, bsize } = await statfs(folder);
  if (wanted <= bavail * bsize) return;
  throw new SleapRtcError(
    'DISK_FULL',
    `Unpacking needs ${bytes(wanted)}, and ${dirname(folder)} has ${bytes(bavail * bsize)} left.`,
    {
      remedy: 'Free some space there, or set TMPDIR to another folder.',
    },
  );
}

async function readText(zip: ZipFile, entry: Entry, name: string): Promise<string> {
  if (entry.uncompressedSize > MAX_YAML_BYTES) throw invalid(name, 'its jobs.yaml is too large');
  const chunks: Buffer[] = [];
  await readEntry(zip, entry, name, async (source) => {
    for await (const chunk of source) chunks.push(chunk as Buffer);
  });
  return Buffer.concat(chunks).toString('utf8');
}

async function unpack(zip: ZipFile, entry: Entry, target: string, name: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  await readEntry(zip, entry, name, (source) => pipeline(source, createWriteStream(target, { flags: 'wx' })));
}

/** Reads an entry and checks its CRC. yauzl checks only its size. */
async function readEntry(
  zip: ZipFile,
  entry: Entry,
  name: string,
  use: (source: Transform) => Promise<void>,
): Promise<void> {
  let crc = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      crc = crc32(chunk, crc);
      done(null, chunk);
    },
    flush: (done) => done(crc === entry.crc32 ? null : new Error('CRC-32 does not match')),
  });
  try {
    const raw = await zip.openReadStreamPromise(entry);
    raw.on('error', (error) => check.destroy(error));
    await use(raw.pipe(check));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
      throw new SleapRtcError('DISK_FULL', 'The disk is full: the package could not be unpacked.', { cause: error });
    }
    throw invalid(name, 'it is damaged', error);
  }
}
