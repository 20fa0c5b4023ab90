import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import type { TransferProgress } from '../../protocol/job-view.ts';
import { connectPeer, receiveFiles, stripeOpener } from '../../transport/index.ts';
import type { JobActivityInput } from '../contract.ts';
import { fetchStaged } from '../datasets/index.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import type { TransferDeps } from './deps.ts';
import { findResearcher, waitForResearcher } from './find-researcher.ts';

/** Progress of what comes from S3 is told this often, in milliseconds. */
const REPORT_MS = 250;

/**
 * Brings the job's files into `jobs/{job_id}/dataset/`: what the worker has from an earlier dataset, what is staged from S3, and the
 * rest from the researcher's CLI over WebRTC. Every file is checked against the hash in the job, whoever sent it. A retry asks
 * only for what is missing; a researcher who is away is waited for, unless nothing is.
 * @throws SleapRtcError PEER_UNREACHABLE, PEER_GONE, TRANSFER_FAILED, INTEGRITY, STORAGE_UNREACHABLE (retryable); SOURCE_CHANGED,
 *   DISK_FULL
 */
export function createReceiveDataset(deps: TransferDeps) {
  const { signaling, workDir, datasets, publishProgress } = deps;
  return async function receiveDataset({ input }: JobActivityInput): Promise<void> {
    const { job_id, files, stage } = input.spec;
    const folder = join(workDir, 'jobs', job_id, 'dataset');
    await mkdir(folder, { recursive: true });
    let latest: TransferProgress | undefined;
    const report = (transfer: TransferProgress) => {
      latest = transfer;
      publishProgress({ job_id, phase: 'receiving', transfer });
    };

    const signal = Context.current().cancellationSignal;
    heartbeatWith(() => latest);
    const bring = async () => {
      const notHere = await datasets.bring(folder, files, signal);
      const missing = stage === false || notHere.length === 0 ? notHere : await fromStorage(notHere);
      if (missing.length > 0) await fromResearcher();
      // The researcher's CLI hears in a transfer of nothing that its data is across.
      else if (notHere.length === 0 && (await findResearcher(signaling, job_id, signal)) !== undefined) {
        await fromResearcher().catch(() => signal.throwIfAborted());
      }
      await datasets.keep(folder, files);
    };

    const fromStorage = async (entries: readonly FileEntry[]): Promise<readonly FileEntry[]> => {
      const { s3, bucket } = deps;
      const room = input.context.room_id;
      const partial = join(workDir, 'jobs', job_id, 'staged');
      const onBytes = countBytes(entries, report);
      try {
        return await fetchStaged({ s3, bucket, room, folder, partial, entries, signal, onBytes });
      } catch (error) {
        if (!(error instanceof SleapRtcError) || error.code !== 'STORAGE_UNREACHABLE') throw error;
        // Storage that is away need not be waited for where the researcher is there.
        if ((await findResearcher(signaling, job_id, signal)) === undefined) throw error;
        return entries;
      }
    };

    const fromResearcher = async (): Promise<void> => {
      const peer = await waitForResearcher(signaling, job_id, signal, () =>
        publishProgress({ job_id, phase: 'receiving', detail: 'waiting for the researcher’s computer' }),
      );
      const purpose = { job_id, kind: 'dataset' } as const;
      const connection = await connectPeer(signaling, { peerId: peer.peer_id, purpose, signal });
      try {
        const channel = await connection.openChannel('dataset', { signal });
        const { cache, reuse } = datasets;
        const striping = { open: stripeOpener(signaling, { peerId: peer.peer_id, purpose }) };
        await receiveFiles(channel, folder, { expected: files, cache, reuse, striping, signal, onProgress: report });
      } finally {
        await connection.close();
      }
    };
    await bring();
  };
}

/** Makes progress out of lots of bytes. */
function countBytes(files: readonly FileEntry[], report: (progress: TransferProgress) => void) {
  const total_bytes = files.reduce((sum, file) => sum + file.size_bytes, 0);
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
