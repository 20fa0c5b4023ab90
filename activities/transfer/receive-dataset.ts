import { mkdir } from 'node:fs/promises';
import { Context } from '@temporalio/activity';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type FileEntry, totalBytes } from '../../protocol/files.ts';
import type { TransferProgress } from '../../protocol/jobs/job-view.ts';
import { connectTransfer, receiveFiles } from '../../transport/index.ts';
import type { JobActivityInput, ReceiveDatasetInput } from '../contract.ts';
import { fetchStaged } from '../datasets/index.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import { type JobFolders, jobFolders } from '../runs/job-folders.ts';
import type { TransferDeps } from './deps.ts';
import { findResearcher, waitForResearcher } from './find-researcher.ts';

/** How often the progress of a download from S3 is published, in milliseconds. */
const REPORT_MS = 250;

const WAITING = 'waiting for the researcher’s computer';
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
 * retry asks only for what is missing. If the researcher is needed and offline, this waits.
 * @throws SleapRtcError PEER_UNREACHABLE, PEER_GONE, TRANSFER_FAILED, INTEGRITY, STORAGE_UNREACHABLE (retryable); SOURCE_CHANGED,
 *   DISK_FULL
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
    const missing = stage === false || notHere.length === 0 ? notHere : await fetchFromStorage(reception, notHere);
    if (missing.length > 0) await receiveFromResearcher(reception);
    // By a transfer of nothing the researcher's CLI learns that the worker has its data.
    else if (notHere.length === 0 && (await findResearcher(deps.signaling, job_id, signal)) !== undefined) {
      await receiveFromResearcher(reception).catch(() => signal.throwIfAborted());
    }
    await deps.datasets.add(folders.dataset, files);
  };
}

/** @returns the files that are not staged */
async function fetchFromStorage(
  { deps, input, folders, signal, report }: Reception,
  entries: readonly FileEntry[],
): Promise<readonly FileEntry[]> {
  const places = { bucket: deps.bucket, room: input.context.room_id, folder: folders.dataset, partial: folders.staged };
  try {
    return await fetchStaged({ ...places, entries, signal, onBytes: countBytes(entries, report) });
  } catch (error) {
    if (!(error instanceof SleapRtcError) || error.code !== 'STORAGE_UNREACHABLE') throw error;
    // There is no need to wait for the storage if the researcher is online.
    if ((await findResearcher(deps.signaling, input.spec.job_id, signal)) === undefined) throw error;
    return entries;
  }
}

async function receiveFromResearcher({ deps, input, isAgain, folders, signal, report }: Reception): Promise<void> {
  const { signaling, datasets } = deps;
  const { job_id, files } = input.spec;
  const peer = await waitForResearcher(signaling, job_id, signal, () =>
    deps.publishProgress({ job_id, phase: 'receiving', detail: isAgain ? WAITING_AGAIN : WAITING }),
  );
  const purpose = { job_id, kind: 'dataset' } as const;
  const { cache, reuse } = datasets;
  await connectTransfer(signaling, { peerId: peer.peer_id, purpose, signal }, (channel) =>
    receiveFiles(channel, folders.dataset, { expected: files, cache, reuse, signal, onProgress: report }),
  );
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
