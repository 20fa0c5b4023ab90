import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { Context } from '@temporalio/activity';
import type { JobSpec } from '../../protocol/jobs/job.ts';
import type { TransferProgress } from '../../protocol/jobs/job-view.ts';
import { EVERYONE } from '../../protocol/wire/signaling.ts';
import { describeFiles, type SourceFile, sendFiles, type TransferChannel } from '../../transport/index.ts';
import type { ReturnResultsInput } from '../contract.ts';
import { heartbeatWith } from '../heartbeat-details.ts';
import { jobFolders, runFolders } from '../runs/job-folders.ts';
import { readTrainedModel } from '../runs/trained-model.ts';
import type { TransferDeps } from './deps.ts';
import { findCandidates } from './find-researcher.ts';
import { withResearcher } from './with-researcher.ts';

/**
 * Informs everyone in the room that the job is done (the seed's `job_complete`), and sends its models or predictions to the
 * researcher's CLI over WebRTC. `delivered` is false if the researcher is offline: the CLI fetches everything from S3 later.
 * @throws SleapRtcError PEER_UNREACHABLE, PEER_GONE, TRANSFER_FAILED (retryable)
 */
export function createReturnResults({ signaling, worker, workDir, publishProgress }: TransferDeps) {
  return async function returnResults({ input, model_ids }: ReturnResultsInput): Promise<{ delivered: boolean }> {
    const { job_id } = input.spec;
    let latest: TransferProgress | undefined;
    heartbeatWith(() => latest);
    const signal = Context.current().cancellationSignal;
    // If this message is lost, the job's status still shows it.
    const announced = signaling
      .sendPeerMessage(EVERYONE, { type: 'job_complete', job_id, worker, model_ids })
      .catch(() => undefined);
    const { own, others } = await findCandidates(signaling, input, signal);
    const isOnline = own.length + others.length > 0;
    const sources = isOnline ? await resultsOf(input.spec, workDir, signal) : [];
    const onProgress = (transfer: TransferProgress) => {
      latest = transfer;
      publishProgress({ job_id, phase: 'returning', transfer });
    };
    const transfer = (channel: TransferChannel) => sendFiles(channel, sources, { signal, onProgress });
    const sent = isOnline && (await withResearcher({ signaling, input, kind: 'results', signal, transfer }));
    await announced;
    return { delivered: Boolean(sent) };
  };
}

/** The files of the job's models or predictions. The hashes of a model's files are known since it was collected. */
async function resultsOf(spec: JobSpec, workDir: string, signal: AbortSignal): Promise<SourceFile[]> {
  const { models, results } = jobFolders(workDir, spec.job_id);
  const known = spec.kind === 'training' ? await modelFiles(spec, workDir) : new Map<string, SourceFile>();
  const files = await filesBelow(spec.kind === 'training' ? models : results);
  const unknown = files.filter(({ path }) => !known.has(path));
  return [...known.values(), ...(await describeFiles(unknown, { signal }))];
}

/** By path below the folder of the job's models. */
async function modelFiles(spec: JobSpec & { kind: 'training' }, workDir: string): Promise<Map<string, SourceFile>> {
  const sources = new Map<string, SourceFile>();
  for (const [index, run] of spec.runs.entries()) {
    const folders = runFolders(workDir, spec.job_id, run.name, index);
    for (const entry of (await readTrainedModel(folders))?.files ?? []) {
      const path = `${run.name}/${entry.path}`;
      sources.set(path, { entry: { ...entry, path }, absolutePath: join(folders.model, entry.path) });
    }
  }
  return sources;
}

/** The regular files below a folder; `path` is relative and `/`-separated. Links are not followed. */
async function filesBelow(folder: string): Promise<{ absolutePath: string; path: string }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((absolutePath) => ({ absolutePath, path: relative(folder, absolutePath).split(sep).join('/') }));
}
