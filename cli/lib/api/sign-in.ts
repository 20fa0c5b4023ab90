import { join } from 'node:path';
import { z } from 'zod';
import { SignInReply } from '../../../protocol/wire/api.ts';
import { readPrivateJson, writePrivateJson } from '../settings/private-file.ts';
import { callApi } from './http.ts';

/** A token that expires within this time is not used, since a request with it may arrive too late. */
const MARGIN_MS = 60_000;

const SignInFile = z.record(z.string(), SignInReply);

/** Signs in anonymously, and saves the identity for each server in a file until it expires. */
export class SignIn {
  readonly #server: string;
  readonly #path: string;
  #current: SignInReply | undefined;
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
    this.#current ??= (await this.#fromFile())[this.#server];
    if (this.#current !== undefined && fresh(this.#current)) return this.#current;
    this.#pending ??= this.#signIn().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  /** Removes an identity that the server refused, so that the next call signs in again. */
  async forget(): Promise<void> {
    this.#current = undefined;
    const { [this.#server]: _refused, ...others } = await this.#fromFile();
    await writePrivateJson(this.#path, others);
  }

  async #signIn(): Promise<SignInReply> {
    const reply = await callApi({
      method: 'POST',
      url: `${this.#server}/anonymous-signin`,
      reply: SignInReply,
      repeatable: true,
    });
    const others = Object.entries(await this.#fromFile()).filter(([, identity]) => fresh(identity));
    await writePrivateJson(this.#path, { ...Object.fromEntries(others), [this.#server]: reply });
    this.#current = reply;
    return reply;
  }

  /** Reads the file. It is a cache, so a damaged file counts as empty. */
  async #fromFile(): Promise<z.infer<typeof SignInFile>> {
    const stored = SignInFile.safeParse(await readPrivateJson(this.#path).catch(() => undefined));
    return stored.success ? stored.data : {};
  }
}

function fresh(identity: SignInReply): boolean {
  return Date.parse(identity.expires_at) - MARGIN_MS > Date.now();
}
