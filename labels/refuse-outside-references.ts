import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { SleapRtcError } from '../protocol/errors.ts';
import type { Finding } from './inspect-thread.ts';
import { findSuperblock } from './superblock.ts';

/** The longest look at a job's files, in milliseconds. A package of a gigabyte takes less than a second. */
const TIMEOUT_MS = 120_000;
/** Longest part of a name from a file in a message, in characters. */
const MAX_SHOWN = 200;

/** A file to look at. */
export interface InputFile {
  path: string;
  /** Its name in messages. */
  name: string;
}

/**
 * Refuses HDF5 files of which a part is in another file: whoever opens such a file reads that other file, and sends its bytes to
 * wherever the results go. Files that are not HDF5 are left alone, whatever their names are.
 * @throws SleapRtcError REFERS_OUTSIDE naming the dataset; LABELS_CORRUPT if a file cannot be judged
 */
export async function refuseOutsideReferences(files: readonly InputFile[], signal?: AbortSignal): Promise<void> {
  const hdf5: InputFile[] = [];
  for (const file of files) if ((await findSuperblock(file.path)) !== undefined) hdf5.push(file);
  if (hdf5.length === 0) return;
  const finding = await inspect(hdf5, signal);
  if (finding === undefined) return;
  const name = hdf5.find(({ path }) => path === finding.path)?.name ?? finding.path;
  const { reference, unreadable } = finding;
  if (reference === undefined)
    throw new SleapRtcError('LABELS_CORRUPT', `${name} is not a sound HDF5 file: ${unreadable}.`);
  const target = reference.target === undefined ? '' : ` to ${shown(reference.target)}`;
  throw new SleapRtcError(
    'REFERS_OUTSIDE',
    `${name} refers to another file: ${shown(reference.name)} is ${article(reference.kind)}${target}.`,
  );
}

async function inspect(files: readonly InputFile[], signal: AbortSignal | undefined): Promise<Finding> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const thread = new Worker(new URL('./inspect-thread.ts', import.meta.url), {
    workerData: files.map(({ path }) => path),
    env: {},
    // libhdf5 and Emscripten write about each damaged file.
    stdout: true,
    stderr: true,
  });
  try {
    const [finding] = await once(thread, 'message', {
      signal: AbortSignal.any([timeout, ...(signal ? [signal] : [])]),
    });
    return finding as Finding;
  } catch (error) {
    signal?.throwIfAborted();
    const names = files.map(({ name }) => name).join(', ');
    const why = timeout.aborted ? `took longer than ${TIMEOUT_MS / 1000} s` : 'ended without a result';
    throw new SleapRtcError('LABELS_CORRUPT', `The check of ${names.slice(0, MAX_SHOWN)} ${why}.`, { cause: error });
  } finally {
    await thread.terminate();
  }
}

function article(kind: string): string {
  return kind.startsWith('external') && kind.endsWith('storage')
    ? `in ${kind}`
    : `${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`;
}

function shown(name: string): string {
  return JSON.stringify(name.length > MAX_SHOWN ? `${name.slice(0, MAX_SHOWN)}…` : name);
}
