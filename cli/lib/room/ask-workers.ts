import { totalBytes } from '../../../protocol/files.ts';
import type { JobSpec } from '../../../protocol/job.ts';
import type { PeerPayload } from '../../../protocol/peer-messages.ts';
import type { SignalingClient } from '../../../transport/index.ts';
import { count } from '../output/words.ts';

/** How long workers may take to answer, in ms. They answer in a few; one that is silent must not keep the job back. */
const ANSWER_MS = 500;

/** What a worker said when it was asked about a job before the submit. */
interface Answer {
  accepted?: boolean;
  reason?: string;
  hasModels?: boolean;
}

/**
 * Asks every worker of the room whether it can take a job (`job_request`) and has the models for it (`registry_query`).
 * @returns what is worth telling, one sentence each. The job is submitted in any case: a fitting worker may come later.
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
  const timer = setTimeout(() => complete.resolve(), ANSWER_MS);
  try {
    const { job_id, kind, requirements, files } = spec;
    for (const name of answers.keys()) {
      // One that has just left does not answer.
      const ask = (payload: PeerPayload): void => void signaling.sendPeerMessage(name, payload).catch(() => undefined);
      ask({ type: 'job_request', job_id, kind, requirements, total_bytes: totalBytes(files) });
      if (models.length > 0) ask({ type: 'registry_query', model_ids: models });
    }
    if (answers.size > 0) await complete.promise;
  } finally {
    clearTimeout(timer);
    off();
  }
  return worthTelling(answers, models.length);
}

function worthTelling(answers: Map<string, Answer>, models: number): string[] {
  const told = [...answers];
  const willing = told.filter(([, { accepted }]) => accepted !== false);
  if (told.length > 0 && willing.length === 0) {
    return told.map(([name, { reason }]) => `${name} cannot take this job: ${reason ?? 'no reason given'}`);
  }
  if (models === 0 || !willing.some(([, { hasModels }]) => hasModels !== undefined)) return [];
  const what = `the ${models === 1 ? 'model' : count(models, 'model')}`;
  const holders = willing.filter(([, { hasModels }]) => hasModels === true).map(([name]) => name);
  return holders.length === 0
    ? [`No worker has ${what} at hand; the one that takes the job fetches what it lacks from the room’s storage.`]
    : [`${holders.join(', ')} ${holders.length === 1 ? 'has' : 'have'} ${what} at hand.`];
}
