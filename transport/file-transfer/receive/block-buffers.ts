import { BLOCK_BYTES } from '../wire/limits.ts';

/** Lends buffers of a block's size and keeps those given back, since making and collecting them costs a tenth of a transfer. */
export class BlockBuffers {
  readonly #free: Buffer[] = [];

  /** A buffer of so many bytes, a block's at most; what it holds is not defined. */
  take(bytes: number): Buffer {
    return (this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)).subarray(0, bytes);
  }

  /** Takes back a buffer that nobody uses any more. */
  giveBack(buffer: Buffer): void {
    this.#free.push(Buffer.from(buffer.buffer));
  }
}
