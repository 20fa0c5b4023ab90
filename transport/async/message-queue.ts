import { within } from './abort.ts';

/** A queue between what arrives and the one reader of it. Reading stops and starts as the reader likes. */
export class MessageQueue<Item> implements AsyncIterable<Item> {
  readonly #items: Item[] = [];
  #ended: { error: Error | undefined } | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #onTaken: ((item: Item) => void) | undefined;

  /** @param onTaken called for each item as the reader takes it */
  constructor(onTaken?: (item: Item) => void) {
    this.#onTaken = onTaken;
  }

  /** Adds an item; after the end it is dropped. */
  push(item: Item): void {
    if (this.#ended !== undefined) return;
    this.#items.push(item);
    this.#wake();
  }

  /** Ends the queue after what it holds: the reader's loop ends, or throws `error`. Only the first call counts. */
  end(error?: Error): void {
    this.#ended ??= { error };
    this.#wake();
  }

  /** Iterators share the queue, so a reader may break off one loop and go on in another. */
  [Symbol.asyncIterator](): AsyncIterator<Item> {
    return { next: () => this.next() };
  }

  /** The next item, or the end. Aborting takes nothing from the queue. */
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
