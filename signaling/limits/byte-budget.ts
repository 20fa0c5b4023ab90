/** A number of bytes that several may take parts of. A part also counts for the parent, so a room's budget lies within the server's. */
export class ByteBudget {
  readonly limitBytes: number;
  readonly #parent: ByteBudget | undefined;
  #used = 0;

  constructor(limitBytes: number, parent?: ByteBudget) {
    this.limitBytes = limitBytes;
    this.#parent = parent;
  }

  get usedBytes(): number {
    return this.#used;
  }

  /** Changes what somebody has taken from one size to another. Changes nothing and returns false if there is not enough. */
  resize(fromBytes: number, toBytes: number): boolean {
    const more = toBytes - fromBytes;
    if (more > 0 && this.#used + more > this.limitBytes) return false;
    if (this.#parent?.resize(fromBytes, toBytes) === false) return false;
    this.#used += more;
    return true;
  }
}
