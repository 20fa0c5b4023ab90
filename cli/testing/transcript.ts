import type { Readable } from 'node:stream';

/** A process whose output is listened to. */
export interface Speaking extends Promise<unknown> {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** What a process has said since it began, so that waiting for words never comes too late. */
export class Transcript {
  #said = '';
  #ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(process: Speaking) {
    for (const stream of [process.stdout, process.stderr]) {
      stream.on('data', (data: Buffer) => {
        this.#said += String(data);
        this.#wake();
      });
    }
    void process.finally(() => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Waits until the words have been said on stdout or stderr. Fails where the process ends without them. */
  async says(words: RegExp): Promise<void> {
    while (!words.test(this.#said)) {
      if (this.#ended) throw new Error(`it ended before it said ${words}: ${this.#said}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      await promise;
      this.#waiting.delete(resolve);
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
