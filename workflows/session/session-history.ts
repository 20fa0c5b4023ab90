import { ActivityFailure, ApplicationFailure, log } from '@temporalio/workflow';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { JobInput, JobPhase } from '../../protocol/jobs/job.ts';
import { WorkerLost } from './gpu-session.ts';
import type { SessionOffer } from './run-session.ts';
import { Troubles } from './troubles.ts';

/** A job that has lost this many workers may be what kills them; evicted workers do not count. */
const MAX_LOST_WORKERS = 5;
/** A researcher's computer that is online and cannot be reached is tried from so many sessions, of a minute each. */
const MAX_UNREACHED = 5;
/** The researcher's computer is offline, or no data came from it for a minute. */
const AWAY = 'RESEARCHER_AWAY';
/** It is online, and cannot be reached. */
const UNREACHED: ReadonlySet<string> = new Set(['PEER_UNREACHABLE', 'PEER_GONE', 'TRANSFER_FAILED']);

/** True if the job's data did not come from the researcher's computer. What has come stays on the worker. */
export function isDataMissing(failure: unknown): boolean {
  const code = receptionError(failure);
  return code === AWAY || UNREACHED.has(code);
}

/** What a job's sessions have been like so far: it decides who is offered the next one, and what the job waits for. */
export class SessionHistory {
  readonly #input: JobInput;
  readonly #troubles = new Troubles();
  #firstOfferTo: string | undefined;
  #isFirst = true;
  #losses = 0;
  #unreached = 0;
  /** Why the job waits, if not for its first worker. */
  #why: string | undefined;
  #isDataAwaited = false;

  constructor(input: JobInput) {
    this.#input = input;
    this.#firstOfferTo = input.context.first_offer_to;
  }

  /** How the next session is offered to workers. */
  get offer(): SessionOffer {
    const { avoid } = this.#troubles;
    return {
      firstOfferTo: this.#firstOfferTo,
      ...(avoid.length > 0 ? { avoid } : {}),
      ...(this.#isDataAwaited ? { needs_researcher: true } : {}),
    };
  }

  /** The phase in which the job waits for the next session, and for what it waits, in words. */
  get waiting(): [phase: JobPhase, detail: string] {
    const { spec, context } = this.#input;
    if (this.#isDataAwaited) {
      const attach = `\`sleap-rtc jobs attach ${spec.job_id}\``;
      return ['awaiting_data', `waiting for the computer that has the data: run ${attach} there; no GPU is held`];
    }
    const { worker } = spec.requirements;
    const what = worker === undefined ? `waiting for a free worker of ${context.room_id}` : `waiting for ${worker}`;
    return ['queued', this.#why === undefined ? what : `${what}; ${this.#why}`];
  }

  /** A worker has opened a session. @returns whether it is the job's first one */
  opened(worker: string): boolean {
    const wasFirst = this.#isFirst;
    this.#isFirst = false;
    this.#isDataAwaited = false;
    this.#firstOfferTo = worker; // after a pause, or a wait for the researcher, the data is there
    return wasFirst;
  }

  /** The session has failed. Returns if the job waits for the next one. @throws the failure if the job ends with it */
  failed(failure: unknown): void {
    if (isDataMissing(failure)) this.#dataMissing(failure);
    else if (failure instanceof WorkerLost) this.#workerLost(failure);
    else throw failure;
  }

  #dataMissing(failure: unknown): void {
    if (receptionError(failure) !== AWAY) this.#unreached += 1;
    if (this.#unreached >= MAX_UNREACHED) throw failure;
    this.#isDataAwaited = true;
    log.info('the data does not come; the worker is given back', { unreached: this.#unreached });
  }

  #workerLost(lost: WorkerLost): void {
    const { trouble, isEvicted, message } = lost;
    log.warn('worker lost', { losses: this.#losses, evicted: isEvicted, trouble: trouble?.error.code, cause: message });
    if (trouble !== undefined) {
      this.#troubles.add(this.#firstOfferTo ?? '', trouble);
      this.#why = this.#troubles.sentence;
    } else {
      if (!isEvicted) this.#losses += 1;
      this.#why = 'the worker before was lost';
    }
    this.#firstOfferTo = undefined; // that may be the lost one
    if (this.#losses > MAX_LOST_WORKERS) throw tooManyLosses(this.#losses, lost);
  }
}

/** The code with which `receiveDataset` has failed; empty for any other failure. */
function receptionError(failure: unknown): string {
  if (!(failure instanceof ActivityFailure) || failure.activityType !== 'receiveDataset') return '';
  return failure.cause instanceof ApplicationFailure ? (failure.cause.type ?? '') : '';
}

function tooManyLosses(losses: number, cause: Error): SleapRtcError {
  return new SleapRtcError('WORKER_LOST', `${losses} workers were lost while they had this job.`, {
    cause,
    remedy: 'Look at the workers’ logs: this job may need more memory than they have.',
  });
}
