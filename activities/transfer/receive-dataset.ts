import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { refuseOutsideReferences } from '../../labels/index.ts';
import { type ErrorCode, SleapRtcError } from '../../protocol/errors.ts';
import { type FileEntry, totalBytes } from '../../protocol/files.ts';
import type { TransferProgress } from '../../protocol/jobs/job-view.ts';
import { waitForStorage } from '../../storage/index.ts';
import { receiveFiles } from '../../transport/index.ts';
import type { JobActivityInput, ReceiveDatasetInput } from '../contract.ts';
import { fetchStaged } from '../datasets/index.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import { type JobFolders, jobFolders } from '../runs/job-folders.ts';
import { DataWatch } from './data-watch.ts';
import type { TransferDeps } from './deps.ts';
import { findCandidates, isResearcherOnline } from './find-researcher.ts';
import { withResearcher } from './with-researcher.ts';

/** How often the progress of a download from S3 is published, in milliseconds. */
const REPORT_MS = 250;

/** After this time without data the GPU is given back, in milliseconds. */
const DATA_TIMEOUT_MS = 60_000;
/** What even a slow disk reads in a millisecond, in bytes. */
const READ_BYTES_PER_MS = 100_000;
/** Pause after a broken transfer, in milliseconds; it doubles each time. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
/** Errors of a connection that breaks or cannot be opened; another attempt may succeed. */
const TRANSIENT: ReadonlySet<ErrorCode> = new Set(['PEER_UNREACHABLE', 'PEER_GONE', 'TRANSFER_FAILED', 'PEER_UNKNOWN']);

const WAITING = 'waiting for the researcher’s computer';
const WAITING_FOR_STORAGE =
  'waiting for the room’s storage (S3), which is unavailable, or for the researcher’s computer: either has the data';
const WAITING_AGAIN =
  'waiting for the researcher: no other copy of the data is left, so the researcher’s computer is needed again';

/** One job's dataset on its way to this worker. */
interface Reception {
  deps: TransferDeps;
  input: JobActivityInput['input'];
  /** True if a worker before this one had the data. */
  isAgain: boolean;
  folders: JobFolders;
  signal: AbortSignal;
  report: (progress: TransferProgress) => void;
}

/**
 * Brings the job's files into `jobs/{job_id}/dataset/`: those that the worker has from an earlier dataset, those that are staged from
 * S3, and the rest from the researcher's CLI over WebRTC. Every file is checked against the hash in the job, whoever sent it. A
 * retry asks only for what is missing. If the researcher is needed and offline, this waits for a minute; so it does if only strangers
 * claim to be the researcher. Nothing opens a file before this has refused those that refer to other files.
 * @throws SleapRtcError RESEARCHER_AWAY, PEER_UNREACHABLE, PEER_GONE, TRANSFER_FAILED: the job waits without a worker;
 *   INTEGRITY (retryable); SOURCE_CHANGED, REFERS_OUTSIDE, LABELS_CORRUPT, PEER_NOT_PROVEN, DISK_FULL; NOT_ALLOWED, STORAGE_REFUSED if S3 refuses
 */
export function createReceiveDataset(deps: TransferDeps) {
  return async function receiveDataset({ input, had_worker_before }: ReceiveDatasetInput): Promise<void> {
    const { job_id, files, stage } = input.spec;
    const folders = jobFolders(deps.workDir, job_id);
    const signal = Context.current().cancellationSignal;
    let latest: TransferProgress | undefined;
    heartbeatWith(() => latest);
    const report = (transfer: TransferProgress) => {
      latest = transfer;
      deps.publishProgress({ job_id, phase: 'receiving', transfer });
    };
    const isAgain = had_worker_before ?? false;
    const reception = { deps, input, isAgain, folders, signal, report };

    // By this the server learns which worker has the job now; bytes may move too fast to be reported.
    deps.publishProgress({ job_id, phase: 'receiving' });
    await mkdir(folders.dataset, { recursive: true });
    const notHere = await deps.datasets.bring(folders.dataset, files, signal);
    if (notHere.length === 0) await tellResearcher(reception);
    else if (stage === false || !(await fetchFromStorage(reception, notHere))) await receiveFromResearcher(reception);
    const received = files.map(({ path }) => ({ path: join(folders.dataset, path), name: path }));
    await refuseOutsideReferences(received, signal);
    await deps.datasets.add(folders.dataset, files);
  };
}

/** Waits for S3 if it is unavailable. @returns true if the files have come; false if some are not staged */
async function fetchFromStorage(reception: Reception, entries: readonly FileEntry[]): Promise<boolean> {
  const { deps, input, folders, signal, report } = reception;
  const places = { bucket: deps.bucket, room: input.context.room_id, folder: folders.dataset, partial: folders.staged };
  const fetch = async () => {
    try {
      const missing = await fetchStaged({ ...places, entries, signal, onBytes: countBytes(entries, report) });
      return missing.length === 0;
    } catch (error) {
      if (!(error instanceof SleapRtcError) || error.code !== 'STORAGE_UNREACHABLE') throw error;
      // There is no need to wait for the storage if the researcher is online. Strangers only may be.
      if (!(await receiveOnce(reception, { waits: false }))) throw error;
      return true;
    }
  };
  const { job_id } = input.spec;
  const onWaiting = () => deps.publishProgress({ job_id, phase: 'receiving', detail: WAITING_FOR_STORAGE });
  return waitForStorage(fetch, { signal, onWaiting });
}

/** By a transfer of nothing the researcher's CLI learns that the worker has its data. */
async function tellResearcher(reception: Reception): Promise<void> {
  const { deps, input, signal } = reception;
  const { own } = await findCandidates(deps.signaling, input, signal);
  if (own.length > 0) await receiveOnce(reception, { waits: false }).catch(() => signal.throwIfAborted());
}

/**
 * Receives the data over WebRTC, and tries again if the connection breaks. If no data comes for a minute, it gives up: the GPU must not
 * wait for a computer that is closed.
 * @throws SleapRtcError RESEARCHER_AWAY; PEER_UNREACHABLE, PEER_GONE, TRANSFER_FAILED if the computer is online all the time
 */
async function receiveFromResearcher(reception: Reception): Promise<void> {
  const { signal, report, deps } = reception;
  // A transfer that goes on first reads what is here, and reports nothing meanwhile.
  const readMs = (await bytesBelow(reception.folders.dataset)) / READ_BYTES_PER_MS;
  const watch = new DataWatch((deps.dataTimeoutMs ?? DATA_TIMEOUT_MS) + readMs);
  const watched: Reception = {
    ...reception,
    signal: AbortSignal.any([signal, watch.expired]),
    report: (progress) => {
      watch.received(progress.bytes);
      report(progress);
    },
  };
  let trouble: SleapRtcError | undefined;
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        await receiveOnce(watched, { waits: true });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!watch.expired.aborted) {
          if (!(error instanceof SleapRtcError) || !TRANSIENT.has(error.code)) throw error;
          trouble = error;
          await sleep(pauseMs, undefined, { signal: watched.signal }).catch(() => signal.throwIfAborted());
        }
        if (!watch.expired.aborted) continue;
        const isOnline = await isResearcherOnline(deps.signaling, reception.input.spec.job_id, signal);
        if (isOnline && trouble !== undefined && !watch.hasReceived) throw trouble;
        throw new SleapRtcError('RESEARCHER_AWAY', 'No data came from the researcher’s computer for a minute.', {
          cause: error,
        });
      }
    }
  } finally {
    watch.close();
  }
}

async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map((file) => stat(file).then(({ size }) => size)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** @returns false if nobody has the data and this does not wait */
async function receiveOnce(reception: Reception, { waits }: { waits: boolean }): Promise<boolean> {
  const { deps, input, isAgain, folders, signal, report } = reception;
  const { job_id, files } = input.spec;
  const { cache, reuse } = deps.datasets;
  const detail = isAgain ? WAITING_AGAIN : WAITING;
  const transferred = await withResearcher({
    signaling: deps.signaling,
    input,
    kind: 'dataset',
    signal,
    onAbsent: waits ? () => deps.publishProgress({ job_id, phase: 'receiving', detail }) : undefined,
    transfer: (channel) =>
      receiveFiles(channel, folders.dataset, { expected: files, cache, reuse, signal, onProgress: report }),
  });
  return transferred !== undefined;
}

/** Turns sizes of parts into progress. */
function countBytes(files: readonly FileEntry[], report: (progress: TransferProgress) => void) {
  const total_bytes = totalBytes(files);
  const startedAtMs = Date.now();
  let reportedAtMs = startedAtMs;
  let bytes = 0;
  return (more: number): void => {
    bytes = Math.min(total_bytes, bytes + more);
    const now = Date.now();
    if (now - reportedAtMs < REPORT_MS) return;
    reportedAtMs = now;
    report({ bytes, total_bytes, bytes_per_s: (bytes * 1000) / (now - startedAtMs) });
  };
}
