import type { Readable } from 'node:stream';

/** A process whose output is recorded. */
export interface Speaking extends Promise<unknown> {
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** All output of a process since its start, so that a test may wait for words that were printed already. */
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

  /** Waits until the words are printed on stdout or stderr. Fails if the process ends without them. */
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
