import { join } from 'node:path';
import { z } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { SignInReply } from '../../../protocol/wire/api.ts';
import { readPrivateJson, writePrivateJson } from '../settings/private-file.ts';
import { callApi } from './http.ts';

/** A token that expires within this time is not used, since a request with it may arrive too late. */
const MARGIN_MS = 60_000;

const SignInFile = z.record(z.string(), SignInReply);

/**
 * Signs in anonymously once, and stays the same user of the server: the identity is saved in a file, and its token is renewed before
 * it expires. A new user is made only if the server does not know the old one any more.
 */
export class SignIn {
  readonly #server: string;
  readonly #path: string;
  #current: SignInReply | undefined;
  /** The identity token that the server refused. */
  #refused: string | undefined;
  #pending: Promise<SignInReply> | undefined;

  /** @param folder the configuration folder */
  constructor(server: string, folder: string) {
    this.#server = server;
    this.#path = join(folder, 'sign-in.json');
  }

  /** Returns a valid identity token. @throws SleapRtcError SERVER_UNREACHABLE and other errors of the API */
  async idToken(): Promise<string> {
    return (await this.identity()).id_token;
  }

  /** Returns this user's identity. Callers at the same time share one sign-in. */
  async identity(): Promise<SignInReply> {
    if (this.#current === undefined || !this.#isValid(this.#current)) {
      // Another command may have renewed it.
      this.#current = (await this.#fromFile())[this.#server];
    }
    if (this.#current !== undefined && this.#isValid(this.#current)) return this.#current;
    this.#pending ??= this.#renew(this.#current).finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  /** Takes note that the server refuses the present token, so that the next call renews it. */
  refused(): void {
    this.#refused = this.#current?.id_token;
  }

  async #renew(known: SignInReply | undefined): Promise<SignInReply> {
    const identity = (known && (await this.#refresh(known))) ?? (await this.#call('/anonymous-signin'));
    await writePrivateJson(this.#path, { ...(await this.#fromFile()), [this.#server]: identity });
    this.#current = identity;
    return identity;
  }

  /** @returns undefined if the server does not know the user: its user pool may have been emptied */
  async #refresh({ refresh_token }: SignInReply): Promise<SignInReply | undefined> {
    try {
      return await this.#call('/refresh-signin', { refresh_token });
    } catch (error) {
      if (error instanceof SleapRtcError && error.code === 'SIGN_IN_REQUIRED') return undefined;
      throw error;
    }
  }

  #call(path: string, body?: object): Promise<SignInReply> {
    return callApi({ method: 'POST', url: `${this.#server}${path}`, reply: SignInReply, body, repeatable: true });
  }

  /** Reads the file. If it is damaged, it counts as empty. */
  async #fromFile(): Promise<z.infer<typeof SignInFile>> {
    const stored = SignInFile.safeParse(await readPrivateJson(this.#path).catch(() => undefined));
    return stored.success ? stored.data : {};
  }

  #isValid({ id_token, expires_at }: SignInReply): boolean {
    return id_token !== this.#refused && Date.parse(expires_at) - MARGIN_MS > Date.now();
  }
}
