import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  isGrpcCancelledError,
  isGrpcDeadlineError,
  isGrpcServiceError,
  makeGrpcRetryInterceptor,
} from '@temporalio/client';
import { SleapRtcError } from '../../protocol/errors.ts';

/** Longest wait for one answer of Temporal, in milliseconds. A person is waiting for it. */
const CALL_MS = 4000;
/**
 * How much later the deadline of a wait's requests is than the wait's end. If nothing has happened, Temporal answers a second before
 * the deadline, and a client that asks again would do so hundreds of times in that second.
 */
const WAIT_SLACK_MS = 2000;
/** Tries of one call while Temporal is unavailable; with their back-off about a second. */
const CALL_ATTEMPTS = 4;

/** gRPC status codes of errors of the service, not of the request. */
const UNAVAILABLE = 14;

/** A connection to Temporal that is made at its first use, and made again after Temporal was unavailable. */
export class Temporal {
  readonly client: Client;
  readonly #connection: Connection;
  readonly #underWay = new Set<Promise<unknown>>();

  constructor(options: { address: string; namespace: string }) {
    const retry = defaultGrpcRetryOptions({ maxAttempts: CALL_ATTEMPTS });
    this.#connection = Connection.lazy({
      address: options.address,
      interceptors: [makeGrpcRetryInterceptor(retry)],
      // With the default, it takes minutes to notice that Temporal is back.
      channelArgs: { 'grpc.initial_reconnect_backoff_ms': 250, 'grpc.max_reconnect_backoff_ms': 2000 },
    });
    this.client = new Client({ connection: this.#connection, namespace: options.namespace });
  }

  /**
   * Runs a call that must answer soon.
   * @param withinMs its timeout
   * @throws SleapRtcError TEMPORAL_UNREACHABLE if it does not answer in time; anything else that the call throws
   */
  async call<T>(run: () => Promise<T>, withinMs: number = CALL_MS): Promise<T> {
    try {
      return await this.#noted(this.#connection.withDeadline(Date.now() + withinMs, run));
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      throw new SleapRtcError('TEMPORAL_UNREACHABLE', 'Temporal cannot be reached.', { cause: error });
    }
  }

  /**
   * Waits for something that may take long. Also resolves when the time is over or `signal` aborts.
   * @throws SleapRtcError TEMPORAL_UNREACHABLE if Temporal becomes unavailable meanwhile; anything else that the call throws
   */
  async wait(run: () => Promise<unknown>, withinMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    // A signal for this wait only: the client never removes its listeners, which hold all of their requests in memory.
    const over = new AbortController();
    const end = () => over.abort();
    const timer = setTimeout(end, withinMs);
    signal.addEventListener('abort', end);
    try {
      const bounded = () => this.#connection.withDeadline(Date.now() + withinMs + WAIT_SLACK_MS, run);
      await this.#noted(this.#connection.withAbortSignal(over.signal, bounded));
    } catch (error) {
      if (isGrpcDeadlineError(error) || isGrpcCancelledError(error)) return;
      if (!isUnreachable(error)) throw error;
      throw new SleapRtcError('TEMPORAL_UNREACHABLE', 'Temporal cannot be reached.', { cause: error });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
    }
  }

  async #noted<T>(call: Promise<T>): Promise<T> {
    this.#underWay.add(call);
    try {
      return await call;
    } finally {
      this.#underWay.delete(call);
    }
  }

  /** Waits for running calls, at most `CALL_MS`, and closes. Retries on a closed channel would end the process. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    await this.#connection.close();
  }
}

function isUnreachable(error: unknown): boolean {
  if (isGrpcDeadlineError(error)) return true;
  const cause = error instanceof Error ? error.cause : undefined;
  return [error, cause].some((fault) => isGrpcServiceError(fault) && fault.code === UNAVAILABLE);
}
