import { type ErrorCode, type SleapRtcError, toSleapRtcError } from '../../protocol/errors.ts';
import type { JobInput } from '../../protocol/jobs/job.ts';
import type { ConnectionPurpose, PeerInfo } from '../../protocol/wire/signaling.ts';
import { connectTransfer, type SignalingClient, type TransferChannel } from '../../transport/index.ts';
import { findCandidates, nextPeerChange } from './find-researcher.ts';

/** Pause before a peer that could not serve the job is tried again, in milliseconds. */
const RETRY_AFTER_MS = 30_000;

/**
 * Time limit for an attempt to connect to a peer of another user, in milliseconds, the first time: shorter than usual, so that
 * strangers who claim the job and do not answer cost little time. The next time it is the usual one.
 */
const FIRST_ATTEMPT_TIMEOUT_MS = 3_000;

/** How long peers of other users are tried if this does not wait, in milliseconds: the results are in S3 already. */
const OTHERS_TIMEOUT_MS = 60_000;

/** Errors that are not the peer's: with the next one it would be the same. */
const NOT_OF_THE_PEER: ReadonlySet<ErrorCode> = new Set(['DISK_FULL', 'SERVER_UNREACHABLE', 'INTERNAL']);

/** A transfer with the researcher's CLI. */
interface ResearcherTransfer<Result> {
  signaling: SignalingClient;
  input: JobInput;
  kind: ConnectionPurpose['kind'];
  signal: AbortSignal;
  /** Called whenever nobody serves the job, before this waits. If it is left out, this does not wait. */
  onAbsent?: (() => void) | undefined;
  transfer: (channel: TransferChannel) => Promise<Result>;
}

/**
 * Runs a transfer with the researcher's CLI, and tries every peer that may be it. Peers of other users who cannot prove that they
 * have the room's key, do not answer, or break the transfer are skipped and tried again later: they can only delay a job, never
 * fail it.
 * @returns undefined if nobody serves the job, or only strangers who cannot; never if it waits
 * @throws SleapRtcError the error of the peer of the job's own user, if no other peer could serve the job either; others at once
 */
export async function withResearcher<Result>(
  task: ResearcherTransfer<Result>,
): Promise<{ result: Result } | undefined> {
  const { signaling, input, signal, onAbsent } = task;
  const attempts = new Attempts(onAbsent !== undefined);
  for (;;) {
    signal.throwIfAborted();
    const changed = nextPeerChange(signaling, signal);
    try {
      const candidates = await findCandidates(signaling, input, signal);
      const next = attempts.next(candidates);
      if (next === undefined) {
        if (attempts.ownError !== undefined) throw attempts.ownError;
        if (onAbsent === undefined) return undefined;
        onAbsent();
        await changed.promise;
        continue;
      }
      const outcome = await tryPeer(task, next.peer, next.isBrief);
      if ('result' in outcome) return outcome;
      attempts.failed(next.peer, outcome.error, candidates.own.includes(next.peer));
    } finally {
      changed.stop();
    }
  }
}

/** Which peers were tried in vain. */
class Attempts {
  /** The error of a peer of the job's own user; one that a retry can help, if there is one. */
  ownError: SleapRtcError | undefined;
  readonly #waits: boolean;
  readonly #startedAtMs = Date.now();
  readonly #failedAtMs = new Map<string, number>();

  constructor(waits: boolean) {
    this.#waits = waits;
  }

  /** The peer to try next; undefined if all were tried. */
  next({ own, others }: Awaited<ReturnType<typeof findCandidates>>): { peer: PeerInfo; isBrief: boolean } | undefined {
    const ownPeer = own.find((peer) => this.#mayTry(peer));
    if (ownPeer !== undefined) return { peer: ownPeer, isBrief: false };
    if (!this.#waits && Date.now() - this.#startedAtMs > OTHERS_TIMEOUT_MS) return undefined;
    const peer = others.find((candidate) => this.#mayTry(candidate));
    return peer && { peer, isBrief: !this.#failedAtMs.has(peer.peer_id) };
  }

  failed({ peer_id }: PeerInfo, error: SleapRtcError, isOwn: boolean): void {
    this.#failedAtMs.set(peer_id, Date.now());
    if (isOwn && (this.ownError === undefined || error.retryable)) this.ownError = error;
  }

  /** If the job's own user has failed, each of the others is tried once, and then this ends. */
  #mayTry({ peer_id }: PeerInfo): boolean {
    const failedAtMs = this.#failedAtMs.get(peer_id);
    if (failedAtMs === undefined) return true;
    return this.#waits && this.ownError === undefined && Date.now() - failedAtMs >= RETRY_AFTER_MS;
  }
}

/** @throws what is not the peer's fault */
async function tryPeer<Result>(
  { signaling, input, kind, signal, transfer }: ResearcherTransfer<Result>,
  { peer_id: peerId }: PeerInfo,
  isBrief: boolean,
): Promise<{ result: Result } | { error: SleapRtcError }> {
  const purpose = { job_id: input.spec.job_id, kind };
  const limit = isBrief ? { attemptTimeoutMs: FIRST_ATTEMPT_TIMEOUT_MS } : {};
  try {
    return { result: await connectTransfer(signaling, { peerId, purpose, signal, ...limit }, transfer) };
  } catch (thrown) {
    signal.throwIfAborted();
    const error = toSleapRtcError(thrown);
    if (NOT_OF_THE_PEER.has(error.code)) throw thrown;
    signaling.logger?.info({ peer: peerId, job: purpose.job_id, code: error.code }, 'a peer could not serve the job');
    return { error };
  }
}
