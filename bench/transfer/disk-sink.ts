import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';

/** Hashes the received bytes, writes them to a file and flushes it at the end, as every receiver of this benchmark does. */
export class DiskSink {
  /** Resolves with the SHA-256, in hex, when all bytes are on disk. */
  readonly done: Promise<string>;
  readonly #file: FileHandle;
  readonly #bytes: number;
  readonly #hash = createHash('sha256');
  readonly #finishing = Promise.withResolvers<string>();
  #received = 0;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(file: FileHandle, bytes: number) {
    this.#file = file;
    this.#bytes = bytes;
    this.done = this.#finishing.promise;
  }

  static async open(path: string, bytes: number): Promise<DiskSink> {
    return new DiskSink(await open(path, 'w'), bytes);
  }

  /** Takes the next bytes; the caller must not change them. Resolves when they are written. */
  async take(data: Uint8Array): Promise<void> {
    const at = this.#received;
    this.#received += data.byteLength;
    this.#hash.update(data);
    this.#writing = this.#writing.then(() => this.#file.write(data, 0, data.byteLength, at));
    if (this.#received === this.#bytes) this.#writing.then(() => this.#finish()).catch(this.#finishing.reject);
    await this.#writing;
  }

  async #finish(): Promise<void> {
    await this.#file.sync();
    await this.#file.close();
    this.#finishing.resolve(this.#hash.digest('hex'));
  }
}
