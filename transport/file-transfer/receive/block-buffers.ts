import { BLOCK_BYTES } from '../wire/limits.ts';

/** Reuses buffers of a block's size: to allocate and collect them costs a tenth of a transfer. */
export class BlockBuffers {
  readonly #free: Buffer[] = [];

  /** A buffer of so many bytes, at most a block's. Its content is undefined. */
  take(bytes: number): Buffer {
    return (this.#free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES)).subarray(0, bytes);
  }

  /** Takes back a buffer that nobody uses any more. */
  giveBack(buffer: Buffer): void {
    this.#free.push(Buffer.from(buffer.buffer));
  }
}
