import { within } from './within.ts';

/** A queue of what arrives, for one reader, which may pause. */
export class MessageQueue<Item> implements AsyncIterable<Item> {
  readonly #items: Item[] = [];
  #ended: { error: Error | undefined } | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #onTaken: ((item: Item) => void) | undefined;

  /** @param onTaken called for each item that the reader takes */
  constructor(onTaken?: (item: Item) => void) {
    this.#onTaken = onTaken;
  }

  /** Adds an item. After the end of the queue it is dropped. */
  push(item: Item): void {
    if (this.#ended !== undefined) return;
    this.#items.push(item);
    this.#wake();
  }

  /** Ends the queue after the items in it: the reader's loop ends, or throws `error`. Only the first call counts. */
  end(error?: Error): void {
    this.#ended ??= { error };
    this.#wake();
  }

  /** Iterators share the queue, so a reader may leave one loop and continue in another. */
  [Symbol.asyncIterator](): AsyncIterator<Item> {
    return { next: () => this.next() };
  }

  /** Waits for the next item, or the end. An abort takes nothing from the queue. */
  async next(options: { signal?: AbortSignal } = {}): Promise<IteratorResult<Item>> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        this.#onTaken?.(item);
        return { done: false, value: item };
      }
      if (this.#ended !== undefined) {
        if (this.#ended.error !== undefined) throw this.#ended.error;
        return { done: true, value: undefined };
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      try {
        await within(promise, options);
      } finally {
        this.#waiting.delete(resolve);
      }
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
  }
}
