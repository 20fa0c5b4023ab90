import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { Context } from '@temporalio/activity';
import type { TransferProgress } from '../../protocol/job-view.ts';
import { EVERYONE } from '../../protocol/signaling.ts';
import { connectPeer, describeFiles, sendFiles, stripeOpener } from '../../transport/index.ts';
import type { ReturnResultsInput } from '../contract.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import type { TransferDeps } from './deps.ts';
import { findResearcher } from './find-researcher.ts';

/**
 * Tells everyone in the room that the job is done (the seed's `job_complete`), and brings what it made (`jobs/{job_id}/models` or `…/results`) to the researcher's CLI over WebRTC.
 * `delivered` is false where the researcher is not there: everything is in S3, and the CLI fetches it when it comes back.
 * @throws SleapRtcError PEER_UNREACHABLE, PEER_GONE, TRANSFER_FAILED (retryable)
 */
export function createReturnResults({ signaling, worker, workDir, publishProgress }: TransferDeps) {
  return async function returnResults({ input, model_ids }: ReturnResultsInput): Promise<{ delivered: boolean }> {
    const { job_id, kind } = input.spec;
    let latest: TransferProgress | undefined;
    heartbeatWith(() => latest);
    const signal = Context.current().cancellationSignal;
    const bringBack = async () => {
      const peer = await findResearcher(signaling, job_id, signal);
      if (peer === undefined) return { delivered: false };
      const folder = join(workDir, 'jobs', job_id, kind === 'training' ? 'models' : 'results');
      const sources = await describeFiles(await filesBelow(folder), { signal });
      const purpose = { job_id, kind: 'results' } as const;
      const connection = await connectPeer(signaling, { peerId: peer.peer_id, purpose, signal });
      try {
        const channel = await connection.openChannel('results', { signal });
        await sendFiles(channel, sources, {
          striping: { open: stripeOpener(signaling, { peerId: peer.peer_id, purpose }) },
          signal,
          onProgress: (transfer) => {
            latest = transfer;
            publishProgress({ job_id, phase: 'returning', transfer });
          },
        });
        return { delivered: true };
      } finally {
        await connection.close();
      }
    };
    // Who asks the room hears of it anyway, so losing this loses nothing but time.
    const announced = signaling
      .sendPeerMessage(EVERYONE, { type: 'job_complete', job_id, worker, model_ids })
      .catch(() => undefined);
    const returned = await bringBack();
    await announced;
    return returned;
  };
}

/** The regular files below a folder; `path` is relative and `/`-separated. Links are not followed. */
async function filesBelow(folder: string): Promise<{ absolutePath: string; path: string }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((absolutePath) => ({ absolutePath, path: relative(folder, absolutePath).split(sep).join('/') }));
}
