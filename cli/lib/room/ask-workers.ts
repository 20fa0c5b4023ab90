import { totalBytes } from '../../../protocol/files.ts';
import type { JobSpec } from '../../../protocol/jobs/job.ts';
import type { PeerPayload } from '../../../protocol/wire/peer-messages.ts';
import type { SignalingClient } from '../../../transport/index.ts';
import { count } from '../output/words.ts';

/** Longest wait for the workers' answers, in ms. They answer in a few ms; a silent worker must not delay the job. */
const ANSWER_TIMEOUT_MS = 500;

/** A worker's answer about a job before its submission. */
interface Answer {
  accepted?: boolean;
  reason?: string;
  hasModels?: boolean;
}

/**
 * Asks every worker of the room whether it can take a job (`job_request`) and has the models for it (`registry_query`).
 * @returns sentences for the researcher. The job is submitted in any case, since a suitable worker may come later.
 */
export async function askWorkers(signaling: SignalingClient, spec: JobSpec, signal: AbortSignal): Promise<string[]> {
  const workers = await signaling.discoverPeers({ role: 'worker' }, { signal });
  const answers = new Map<string, Answer>(workers.map(({ peer_id }) => [peer_id, {}]));
  const models = spec.kind === 'inference' ? spec.models : [];
  const complete = Promise.withResolvers<void>();
  const onAnswer = (from: string, payload: PeerPayload): void => {
    const answer = answers.get(from);
    if (answer === undefined) return;
    if (payload.type === 'job_response' && payload.job_id === spec.job_id) {
      answer.accepted = payload.accepted;
      answer.reason = payload.reason;
    } else if (payload.type === 'registry_response') {
      answer.hasModels = models.every((id) => payload.has_models[id] === true);
    }
    const isWhole = ({ accepted, hasModels }: Answer): boolean =>
      accepted !== undefined && (models.length === 0 || hasModels !== undefined);
    if ([...answers.values()].every(isWhole)) complete.resolve();
  };
  const off = signaling.on('peer_message', ({ from_peer_id, payload }) => onAnswer(from_peer_id, payload));
  const timer = setTimeout(() => complete.resolve(), ANSWER_TIMEOUT_MS);
  try {
    const { job_id, kind, requirements, files } = spec;
    for (const name of answers.keys()) {
      // A worker that has just left does not answer.
      const ask = (payload: PeerPayload): void => void signaling.sendPeerMessage(name, payload).catch(() => undefined);
      ask({ type: 'job_request', job_id, kind, requirements, total_bytes: totalBytes(files) });
      if (models.length > 0) ask({ type: 'registry_query', model_ids: models });
    }
    if (answers.size > 0) await complete.promise;
  } finally {
    clearTimeout(timer);
    off();
  }
  return sentencesAbout(answers, models.length);
}

function sentencesAbout(answers: Map<string, Answer>, models: number): string[] {
  const all = [...answers];
  const willing = all.filter(([, { accepted }]) => accepted !== false);
  if (all.length > 0 && willing.length === 0) {
    return all.map(([name, { reason }]) => `${name} cannot take this job: ${reason ?? 'it gives no reason'}`);
  }
  if (models === 0 || !willing.some(([, { hasModels }]) => hasModels !== undefined)) return [];
  const what = `the ${models === 1 ? 'model' : count(models, 'model')}`;
  const ready = willing.filter(([, { hasModels }]) => hasModels === true).map(([name]) => name);
  return ready.length === 0
    ? [
        `No worker has ${what} on its disk. The worker that takes the job downloads what it needs from the room’s storage.`,
      ]
    : [
        `${ready.join(', ')} ${ready.length === 1 ? 'has' : 'have'} ${what} on ${ready.length === 1 ? 'its' : 'their'} disk.`,
      ];
}
