import type { ZodType } from 'zod';
import { ErrorReply } from '../../../protocol/api.ts';
import { isErrorCode, SleapRtcError } from '../../../protocol/errors.ts';

/** Longest that an ordinary request may take: it is a few kilobytes and a Temporal or S3 call. */
const REQUEST_TIMEOUT_MS = 20_000;
/** Times that a request which may be repeated is tried in all: with the pauses below, about 2 s, enough for a proxy's hiccup. */
const TRIES = 4;
const FIRST_PAUSE_MS = 250;

/** One HTTP request of the API. */
export interface ApiRequest<T> {
  method: 'GET' | 'POST';
  url: string;
  reply: ZodType<T>;
  headers?: Record<string, string>;
  body?: unknown;
  /** True where doing it twice is the same as once; then it is tried again when the answer is lost. */
  repeatable: boolean;
  /** How long the server may take by agreement, on top of the ordinary limit, in ms. */
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
      if (!again || error.code === 'SIGN_IN_REQUIRED') throw error;
      await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1), request.signal);
    }
  }
}

/** Waits; ends at once with the signal's reason when that is aborted. */
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
  return new SleapRtcError(
    'SERVER_ERROR',
    `What answers at ${origin(url)} does not speak as this release of SLEAP-RTC does.`,
    {
      cause,
      remedy: 'Check --server (or SLEAP_RTC_SERVER), and that server and CLI are of one release.',
    },
  );
}

/** Why a `fetch` got no answer, in words. */
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
      return 'its name is not known to the network';
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
