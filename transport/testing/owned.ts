/** Something that a test has to close. */
type Closeable = AsyncDisposable | { close(): Promise<void> };

/** Closes what a test has made, the last first, in `afterEach(owned.end)`. It replaces `await using`, which Node 22 does not support. */
export class Owned {
  #stack: Closeable[] = [];

  add<Thing extends Closeable>(thing: Thing): Thing {
    this.#stack.push(thing);
    return thing;
  }

  readonly end = async (): Promise<void> => {
    const stack = this.#stack;
    this.#stack = [];
    for (const thing of stack.reverse()) await ('close' in thing ? thing.close() : thing[Symbol.asyncDispose]());
  };
}
