import type { ZodType } from 'zod';
import { type ErrorCode, isErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { ErrorReply } from '../../../protocol/wire/api.ts';

/** Timeout of an ordinary request, in ms: it has a few kilobytes and causes one call to Temporal or S3. */
const REQUEST_TIMEOUT_MS = 20_000;
/** Attempts for a repeatable request. With the pauses they take about 2 s, which bridges a short failure of a proxy. */
const TRIES = 4;
const FIRST_PAUSE_MS = 250;
/** Errors that the caller handles: it signs in first, or it shows the error and retries for longer than this function does. */
const HANDLED_BY_CALLER: ReadonlySet<ErrorCode> = new Set(['SIGN_IN_REQUIRED', 'CONTROL_UNAVAILABLE', 'LIMIT_REACHED']);

/** One HTTP request of the API. */
export interface ApiRequest<T> {
  method: 'GET' | 'POST';
  url: string;
  reply: ZodType<T>;
  headers?: Record<string, string>;
  body?: unknown;
  /** True if sending the request twice has the same effect as once. Then it is sent again if the answer is lost. */
  repeatable: boolean;
  /** Time that the server may hold back the answer, in ms; it is added to the ordinary timeout. */
  extraMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** Sends a request and parses its answer. @throws SleapRtcError with the server's own code, or SERVER_UNREACHABLE, SERVER_ERROR */
export async function callApi<T>(request: ApiRequest<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(request);
    } catch (error) {
      const again = request.repeatable && error instanceof SleapRtcError && error.retryable && attempt < TRIES;
      if (!again || HANDLED_BY_CALLER.has(error.code)) throw error;
      await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1), request.signal);
    }
  }
}

/** Waits. @throws the signal's reason as soon as the signal is aborted */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { setTimeout: sleep } = await import('node:timers/promises');
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
}

async function once<T>(request: ApiRequest<T>): Promise<T> {
  const limit = AbortSignal.timeout(REQUEST_TIMEOUT_MS + (request.extraMs ?? 0));
  const signal = request.signal === undefined ? limit : AbortSignal.any([request.signal, limit]);
  const headers: Record<string, string> = { accept: 'application/json', ...request.headers };
  if (request.body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  let text: string;
  try {
    response = await fetch(request.url, {
      method: request.method,
      headers,
      signal,
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    });
    text = await response.text();
  } catch (error) {
    if (request.signal?.aborted) throw request.signal.reason;
    throw new SleapRtcError('SERVER_UNREACHABLE', `No answer from ${origin(request.url)}: ${networkReason(error)}.`, {
      cause: error,
    });
  }
  const body = parseJson(text);
  if (!response.ok) throw refusal(response, body, request.url);
  const parsed = request.reply.safeParse(body);
  if (parsed.success) return parsed.data;
  throw notOurServer(request.url, parsed.error);
}

function refusal(response: Response, body: unknown, url: string): SleapRtcError {
  const reply = ErrorReply.safeParse(body);
  if (reply.success) {
    const { code, message, remedy } = reply.data.error;
    return isErrorCode(code)
      ? new SleapRtcError(code, message, { remedy })
      : new SleapRtcError('INTERNAL', `${message} (${code})`, { remedy });
  }
  if (response.status >= 500) {
    return new SleapRtcError('SERVER_ERROR', `The server at ${origin(url)} answered ${response.status}.`);
  }
  return notOurServer(url);
}

function notOurServer(url: string, cause?: unknown): SleapRtcError {
  return new SleapRtcError('SERVER_ERROR', `The answer from ${origin(url)} is not one of this release of SLEAP-RTC.`, {
    cause,
    remedy: 'Check --server (or SLEAP_RTC_SERVER), and check that server and CLI have the same release.',
  });
}

/** Says why a `fetch` got no answer. */
export function networkReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return 'it took too long';
  const cause = error.cause instanceof AggregateError ? error.cause.errors[0] : error.cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'its name cannot be resolved';
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return 'the connection was cut';
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_HEADERS_TIMEOUT':
      return 'it took too long';
    default:
      return cause instanceof Error ? cause.message : error.message;
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function origin(url: string): string {
  return new URL(url).origin;
}
