import type { OutboundChunk } from './outbound-chunks.ts';
import { tsnDistance } from './tsn.ts';

/** Chunks that have to be sent again, the lowest TSN first, since the receiver waits for it. */
export class LostChunks {
  /** The lowest TSN is the last. */
  #chunks: OutboundChunk[] = [];

  /** The next chunk to send again. Skips those that were acknowledged in the meantime. Undefined if there is none. */
  next(): OutboundChunk | undefined {
    while (this.#chunks.length > 0) {
      const chunk = this.#chunks[this.#chunks.length - 1];
      if (chunk?.state === 'lost') return chunk;
      this.#chunks.pop();
    }
    return undefined;
  }

  /** Removes the chunk that `next` returned, or that `addNext` added. */
  shift(): void {
    this.#chunks.pop();
  }

  /** Adds a chunk before all others. */
  addNext(chunk: OutboundChunk): void {
    this.#chunks.push(chunk);
  }

  add(lost: readonly OutboundChunk[]): void {
    if (lost.length === 0) return;
    this.#chunks.push(...lost);
    this.#chunks = this.#chunks.filter(({ state }) => state === 'lost');
    this.#chunks.sort((a, b) => tsnDistance(b.tsn, a.tsn));
  }
}
