import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TransferProgress } from '../../protocol/peer-messages.ts';
import { connectPeer, receiveFiles } from '../../transport/index.ts';
import type { JobActivityInput } from '../contract.ts';
import { withHeartbeats } from '../heartbeats.ts';
import { findResearcher, waitForResearcher } from './find-researcher.ts';
import type { TransferDeps } from './index.ts';

/**
 * Pulls the job's files from the researcher's CLI over WebRTC into `jobs/{job_id}/dataset/`. Every file is checked against
 * the hash in the job, whoever sent it. What the pod has from an earlier dataset is not sent, and a retry asks only for what is
 * missing; a researcher who is away is waited for, unless nothing is.
 * @throws SleapRtcError PEER_UNREACHABLE, PEER_GONE, TRANSFER_FAILED, INTEGRITY (retryable); SOURCE_CHANGED, DISK_FULL
 */
export function createReceiveDataset({ signaling, workDir, datasets, publishProgress }: TransferDeps) {
  return async function receiveDataset({ input }: JobActivityInput): Promise<void> {
    const { job_id, files } = input.spec;
    const folder = join(workDir, 'jobs', job_id, 'dataset');
    await mkdir(folder, { recursive: true });
    let latest: TransferProgress | undefined;
    const bring = async (signal: AbortSignal) => {
      const missing = await datasets.bring(folder, files, signal);
      if (missing.length > 0) await receive(signal);
      // The researcher's CLI hears in a transfer of nothing that its data is across.
      else if ((await findResearcher(signaling, job_id, signal)) !== undefined) await receive(signal);
      await datasets.keep(folder, files);
    };
    const receive = async (signal: AbortSignal) => {
      const peer = await waitForResearcher(signaling, job_id, signal, () =>
        publishProgress({ job_id, phase: 'receiving', detail: 'waiting for the researcher’s computer' }),
      );
      const purpose = { job_id, kind: 'dataset' } as const;
      const connection = await connectPeer(signaling, { peerId: peer.peer_id, purpose, signal });
      try {
        const channel = await connection.openChannel('dataset', { signal });
        await receiveFiles(channel, folder, {
          expected: files,
          cache: datasets.cache,
          reuse: datasets.reuse,
          signal,
          onProgress: (transfer) => {
            latest = transfer;
            publishProgress({ job_id, phase: 'receiving', transfer });
          },
        });
      } finally {
        await connection.close();
      }
    };
    await withHeartbeats(bring, () => latest);
  };
}
