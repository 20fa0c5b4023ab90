import { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import { BlockBuffers } from './block-buffers.ts';
import { appendBlock, type BlockRange } from './blocks.ts';
import type { Conversation } from './conversation.ts';
import type { Holdings } from './holdings.ts';
import { IncomingFile } from './incoming-file.ts';
import { MAX_SPARE_BYTES, WINDOW_BLOCKS } from './limits.ts';
import { parseMessage, SenderMessage } from './messages.ts';
import { decodePiece, type Piece } from './pieces.ts';
import type { ProgressMeter } from './progress-meter.ts';

/** A file whose blocks are being asked for. */
interface Asking {
  index: number;
  file: IncomingFile;
  /** Hashes are on their way. */
  hashesAsked: boolean;
}

/**
 * The receiver's loop: keeps a window of blocks asked for, across the bounds of files, takes what arrives, and finishes each
 * file as its last block comes.
 */
export class Pull implements AsyncDisposable {
  readonly #conversation: Conversation;
  readonly #root: string;
  readonly #holdings: Holdings;
  readonly #missing: { index: number; entry: FileEntry }[];
  readonly #meter: ProgressMeter;
  /** Files with blocks on their way, by their index in the offer. */
  readonly #open = new Map<number, IncomingFile>();
  readonly #finished = new Set<number>();
  readonly #buffers = new BlockBuffers();
  #asking: Asking | undefined;
  #started = 0;
  #onTheWay = 0;
  /** The block whose pieces are arriving, on the one channel that there is. */
  #arriving: { file: number; block: number } | undefined;
  #spareBytes = 0;

  constructor(
    conversation: Conversation,
    root: string,
    holdings: Holdings,
    missing: { index: number; entry: FileEntry }[],
    meter: ProgressMeter,
  ) {
    this.#conversation = conversation;
    this.#root = root;
    this.#holdings = holdings;
    this.#missing = missing;
    this.#meter = meter;
  }

  /** Resolves when all files have their names. */
  async run(): Promise<void> {
    for (;;) {
      await this.#ask();
      if (this.#open.size === 0) return;
      const message = await this.#conversation.next();
      if (typeof message !== 'string') {
        await this.#take(decodePiece(message));
        continue;
      }
      const { type } = parseMessage(SenderMessage, message);
      throw new SleapRtcError('MESSAGE_INVALID', `The sender sent "${type}" out of turn.`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#open.values()) await file[Symbol.asyncDispose]();
  }

  /** Asks for blocks until the window is full, all is asked for, or a file's hashes must come first. */
  async #ask(): Promise<void> {
    while (this.#onTheWay < WINDOW_BLOCKS) {
      this.#asking ??= await this.#openNext();
      if (this.#asking === undefined) return;
      const { index, file } = this.#asking;
      const hashes = file.missingHashes;
      if (hashes !== undefined) {
        if (!this.#asking.hashesAsked) await this.#conversation.say({ type: 'hashes', file: index, ...hashes });
        this.#asking.hashesAsked = true;
        return;
      }
      await this.#askForBlocks(index, file);
      if (!file.isAskedFor) return;
      this.#asking = undefined;
      if (file.isComplete) await this.#finish(index, file);
    }
  }

  async #openNext(): Promise<Asking | undefined> {
    const next = this.#missing[this.#started];
    if (next === undefined) return undefined;
    this.#started += 1;
    const deps = { holdings: this.#holdings, buffers: this.#buffers };
    const file = await IncomingFile.open(this.#root, next.entry, deps);
    this.#open.set(next.index, file);
    return { index: next.index, file, hashesAsked: false };
  }

  async #askForBlocks(index: number, file: IncomingFile): Promise<void> {
    const ranges: BlockRange[] = [];
    while (this.#onTheWay < WINDOW_BLOCKS && !file.isAskedFor) {
      const found = await file.advance();
      if ('want' in found) {
        appendBlock(ranges, found.want);
        this.#onTheWay += 1;
      } else {
        this.#meter.had(found.hadBytes);
        this.#conversation.throwIfAborted();
      }
    }
    for (const range of ranges) await this.#want(index, range);
  }

  async #want(file: number, range: BlockRange): Promise<void> {
    await this.#conversation.say({ type: 'want', file, ...range, had_bytes: this.#meter.hadBytes });
  }

  async #take(piece: Piece): Promise<void> {
    const file = this.#open.get(piece.file);
    if (file === undefined && this.#finished.has(piece.file)) return this.#countSpare(piece);
    if (file === undefined) throw new SleapRtcError('MESSAGE_INVALID', 'The sender sent data that was not asked for.');
    if (piece.kind === 'hashes') {
      file.takeHashes(piece);
      if (this.#asking !== undefined) this.#asking.hashesAsked = false;
      return;
    }
    await this.#breakOffOther(piece);
    const { outcome, bytes } = await file.takeData(piece);
    this.#meter.moved(bytes);
    if (outcome === 'spare') this.#countSpare(piece);
    this.#arriving = outcome === 'more' ? piece : undefined;
    if (outcome === 'again') await this.#want(piece.file, { first: piece.block, count: 1 });
    if (outcome !== 'done') return;
    this.#onTheWay -= 1;
    if (file.isComplete) await this.#finish(piece.file, file);
  }

  /** The pieces of a block come one after another, so where another block's follow, the rest of it is lost. */
  async #breakOffOther({ file, block }: Piece): Promise<void> {
    const before = this.#arriving;
    if (before === undefined || (before.file === file && before.block === block)) return;
    this.#arriving = undefined;
    this.#meter.moved(this.#open.get(before.file)?.breakOff(before.block).bytes ?? 0);
    await this.#want(before.file, { first: before.block, count: 1 });
  }

  /** What was asked for may come twice, but not for ever. */
  #countSpare({ data }: Piece): void {
    this.#spareBytes += data.byteLength;
    if (this.#spareBytes <= MAX_SPARE_BYTES) return;
    throw new SleapRtcError('MESSAGE_INVALID', 'The sender goes on sending what has come already.');
  }

  async #finish(index: number, file: IncomingFile): Promise<void> {
    await file.finish();
    this.#open.delete(index);
    this.#finished.add(index);
  }
}
