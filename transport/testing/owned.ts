/**
 * Ends what a test has made, last first, in `afterEach(owned.end)`. Stands in for `await using`, which Node 22 cannot run.
 */
export class Owned {
  #stack: AsyncDisposable[] = [];

  add<Thing extends AsyncDisposable>(thing: Thing): Thing {
    this.#stack.push(thing);
    return thing;
  }

  readonly end = async (): Promise<void> => {
    const stack = this.#stack;
    this.#stack = [];
    for (const thing of stack.reverse()) await thing[Symbol.asyncDispose]();
  };
}
