/** The part of the server's HTTP API that the page needs. Server and page have the same release, so replies are typed, not parsed. */

import type { ErrorCode } from '../../protocol/errors.ts';
import type { JobView } from '../../protocol/jobs/job-view.ts';
import type { Manifest } from '../../protocol/models/manifest.ts';
import type {
  CurveReply,
  ErrorReply,
  JobListReply,
  ModelFilesReply,
  ROOM_TOKEN_HEADER,
  SignInReply,
} from '../../protocol/wire/api.ts';
import type { Invite, TabStorage } from './invite.ts';

// A browser cannot run the module that declares it. The type ensures that both are equal.
const TOKEN_HEADER: typeof ROOM_TOKEN_HEADER = 'x-room-token';
const STORED_AS = 'sleap-rtc.sign-in';
/** Timeout of a request, in ms. */
const TIMEOUT_MS = 15_000;

/** An error that the server answered, or that there was no answer. */
export class ApiError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string;

  constructor({ code, message, remedy }: { code: string; message: string; remedy: string }) {
    super(message);
    this.code = code as ErrorCode;
    this.remedy = remedy;
  }

  /** True if another request with the same invite cannot help. */
  get refused(): boolean {
    return isRefusal(this.code);
  }
}

/** True if a code means that the invite does not open the room. */
export function isRefusal(code: string): boolean {
  const refusals: ErrorCode[] = ['TOKEN_REFUSED', 'ROOM_EXPIRED'];
  return refusals.some((refusal) => refusal === code);
}

/** Reads one room. Signs in automatically as an anonymous user who exists as long as the tab. All methods reject with ApiError. */
export class RoomApi {
  readonly invite: Invite;
  readonly #storage: TabStorage;
  readonly #signal: AbortSignal;
  #signIn: Promise<SignInReply> | undefined;
  #idToken: string | undefined;
  /** The last token that the server refused. */
  #refused: string | undefined;
  #manifestEtag: string | null = null;

  /** @param options `signal` ends all requests */
  constructor(invite: Invite, options: { storage: TabStorage; signal: AbortSignal }) {
    this.invite = invite;
    this.#storage = options.storage;
    this.#signal = options.signal;
  }

  /** Returns the tab's identity token. It is used until the server refuses it. */
  async idToken(): Promise<string> {
    this.#signIn ??= this.#signInOnce();
    try {
      this.#idToken = (await this.#signIn).id_token;
      return this.#idToken;
    } catch (error) {
      this.#signIn = undefined;
      throw error;
    }
  }

  async #signInOnce(): Promise<SignInReply> {
    const recalled = recallSignIn(this.#storage);
    if (recalled !== undefined && recalled.id_token !== this.#refused) return recalled;
    const renewed = recalled && (await this.#refresh(recalled.refresh_token));
    const reply: SignInReply = renewed ?? (await (await this.#fetch('/anonymous-signin', { method: 'POST' })).json());
    this.#storage.setItem(STORED_AS, JSON.stringify(reply));
    return reply;
  }

  /** @returns a new token of the same user; undefined if the server does not know the user any more */
  async #refresh(refresh_token: string): Promise<SignInReply | undefined> {
    const headers = { 'content-type': 'application/json' };
    try {
      const body = JSON.stringify({ refresh_token });
      return await (await this.#fetch('/refresh-signin', { method: 'POST', headers, body })).json();
    } catch (error) {
      if (error instanceof ApiError && error.code !== 'SERVER_UNREACHABLE' && error.code !== 'SERVER_ERROR') return;
      throw error;
    }
  }

  /** Uses a token that the server has refused no more, unless a newer one has replaced it. The next one is of the same user. */
  signOut(refused: string): void {
    if (refused !== this.#idToken) return;
    this.#signIn = undefined;
    this.#idToken = undefined;
    this.#refused = refused;
  }

  async jobs(): Promise<JobListReply> {
    return (await this.#requireRoom('/jobs')).json();
  }

  async job(jobId: string): Promise<JobView> {
    return (await this.#requireRoom(`/jobs/${encodeURIComponent(jobId)}`)).json();
  }

  async curve(jobId: string): Promise<CurveReply> {
    return (await this.#requireRoom(`/jobs/${encodeURIComponent(jobId)}/curve`)).json();
  }

  /** Returns the room's models, or undefined if nothing has changed since the last call. */
  async manifest(): Promise<Manifest | undefined> {
    const reply = await this.#requireRoom(
      '/manifest',
      this.#manifestEtag === null ? {} : { 'if-none-match': this.#manifestEtag },
    );
    if (reply.status === 304) return undefined;
    const manifest: Manifest = await reply.json();
    this.#manifestEtag = reply.headers.get('etag');
    return manifest;
  }

  /** Returns links to a model's files. They are valid for some minutes. */
  async modelFiles(modelId: string): Promise<ModelFilesReply> {
    return (await this.#requireRoom(`/models/${encodeURIComponent(modelId)}/files`)).json();
  }

  async #requireRoom(path: string, headers: Record<string, string> = {}): Promise<Response> {
    const { room, token } = this.invite;
    const ask = (idToken: string) =>
      this.#fetch(`/api/rooms/${room}${path}`, {
        headers: { authorization: `Bearer ${idToken}`, [TOKEN_HEADER]: token, ...headers },
      });
    const idToken = await this.idToken();
    try {
      return await ask(idToken);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'SIGN_IN_REQUIRED') throw error;
      this.signOut(idToken);
      return ask(await this.idToken());
    }
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(TIMEOUT_MS)]);
    const reply = await fetch(path, { ...init, signal, cache: 'no-store' }).catch(() => undefined);
    if (reply?.ok || reply?.status === 304) return reply;
    const body: ErrorReply | undefined = await reply?.json().catch(() => undefined);
    throw new ApiError(body?.error ?? UNREACHABLE);
  }
}

const UNREACHABLE = {
  code: 'SERVER_UNREACHABLE',
  message: 'The server cannot be reached.',
  remedy: 'The page tries again automatically.',
} as const;

function recallSignIn(storage: TabStorage): SignInReply | undefined {
  try {
    return JSON.parse(storage.getItem(STORED_AS) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}
