import { SleapRtcError } from '../../../protocol/errors.ts';
import type { FileEntry } from '../../../protocol/files.ts';
import type { Holdings } from '../disk/local-blocks.ts';
import type { Stripe } from '../stripes/stripe.ts';
import { appendBlock, type BlockRange, blocksOf } from '../wire/blocks.ts';
import { MAX_SPARE_BYTES, STRIPE_WINDOW_BLOCKS, WINDOW_BLOCKS } from '../wire/limits.ts';
import { parseMessage, SenderMessage } from '../wire/messages.ts';
import { decodePiece, type Piece } from '../wire/pieces.ts';
import type { ProgressMeter } from '../wire/progress-meter.ts';
import { BlockBuffers } from './block-buffers.ts';
import { IncomingFile } from './incoming-file.ts';

/** A file whose blocks are being asked for. */
interface Asking {
  index: number;
  file: IncomingFile;
  /** The channel on which hashes are on their way. */
  hashesFrom?: Stripe | undefined;
}

interface Block {
  file: number;
  block: number;
}

/** What one channel owes. */
interface Owed {
  /** Blocks that were asked for on it, by a number for each. */
  blocks: Map<number, Block>;
  /** The one whose pieces are arriving. */
  arriving?: Block | undefined;
}

/** What a pull works on. */
interface PullOptions {
  root: string;
  holdings: Holdings;
  missing: readonly { index: number; entry: FileEntry }[];
  meter: ProgressMeter;
  /** How many channels there are now. */
  stripeCount: () => number;
}

/**
 * The receiver's part: on each channel it keeps a window of blocks asked for, across the bounds of files, takes what arrives,
 * and finishes each file as its last block comes. Blocks go to whichever channel has room for them.
 */
export class Pull implements AsyncDisposable {
  readonly #options: PullOptions;
  /** Files with blocks on their way, by their index in the offer. */
  readonly #open = new Map<number, IncomingFile>();
  readonly #finished = new Set<number>();
  readonly #buffers = new BlockBuffers();
  readonly #owed = new Map<Stripe, Owed>();
  /** What lost channels owed. */
  readonly #returned: Block[] = [];
  #asking: Asking | undefined;
  #started = 0;
  #spareBytes = 0;
  #isOver = false;
  /** Resolves when an idle channel may find something to do. */
  #changed = Promise.withResolvers<void>();
  /** What was begun is ended before anything else begins, whichever channel it is for. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PullOptions) {
    this.#options = options;
  }

  /** Takes part on one channel. Resolves when all files have their names. */
  async serve(stripe: Stripe): Promise<void> {
    const owed: Owed = { blocks: new Map() };
    this.#owed.set(stripe, owed);
    for (;;) {
      await this.#alone(() => this.#ask(stripe, owed));
      if (this.#isDone) return this.#wake();
      if (await this.#isToRead(stripe, owed)) {
        const message = await stripe.conversation.next();
        await this.#alone(() => this.#take(stripe, owed, message));
      }
    }
  }

  /** The channel is lost: what it owes goes to the others. */
  lose(stripe: Stripe): void {
    for (const { file, block } of this.#owed.get(stripe)?.blocks.values() ?? []) {
      this.#options.meter.moved(-(this.#open.get(file)?.forget(block) ?? 0));
      this.#returned.push({ file, block });
    }
    this.#owed.delete(stripe);
    if (this.#asking?.hashesFrom === stripe) this.#asking.hashesFrom = undefined;
    this.#wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#last;
    for (const file of this.#open.values()) await file[Symbol.asyncDispose]();
  }

  get #isDone(): boolean {
    return this.#asking === undefined && this.#started === this.#options.missing.length && this.#open.size === 0;
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#last.then(() => {
      if (this.#isOver) throw new SleapRtcError('PEER_GONE', 'The transfer is over.');
      return work();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** Waits, where the channel owes nothing, for a message or for something to ask for. @returns false for the latter */
  async #isToRead(stripe: Stripe, owed: Owed): Promise<boolean> {
    if (owed.blocks.size > 0 || this.#asking?.hashesFrom === stripe) return true;
    const changed = this.#changed.promise.then(() => false);
    return Promise.race([stripe.conversation.whenHeard().then(() => true), changed]);
  }

  /** Asks for blocks until the channel's window is full, all is asked for, or a file's hashes must come first. */
  async #ask(stripe: Stripe, owed: Owed): Promise<void> {
    const most = this.#options.stripeCount() > 1 ? STRIPE_WINDOW_BLOCKS : WINDOW_BLOCKS;
    // In fours, since each request takes its turn with the data.
    if (owed.blocks.size > (most * 3) / 4) return;
    while (owed.blocks.size < most) {
      const returned = this.#returned.shift();
      if (returned === undefined) break;
      await this.#want(stripe, owed, returned.file, { first: returned.block, count: 1 });
    }
    while (owed.blocks.size < most) {
      this.#asking ??= await this.#openNext();
      if (this.#asking === undefined) return;
      const { index, file } = this.#asking;
      const hashes = file.missingHashes;
      if (hashes !== undefined) {
        if (this.#asking.hashesFrom !== undefined) return;
        this.#asking.hashesFrom = stripe;
        return stripe.conversation.say({ type: 'hashes', file: index, ...hashes });
      }
      await this.#askForBlocks(stripe, owed, this.#asking, most);
      if (!file.isAskedFor) return;
      this.#asking = undefined;
      if (file.isComplete) await this.#finish(index, file);
    }
  }

  async #openNext(): Promise<Asking | undefined> {
    const next = this.#options.missing[this.#started];
    if (next === undefined) return undefined;
    this.#started += 1;
    const deps = { holdings: this.#options.holdings, buffers: this.#buffers };
    const file = await IncomingFile.open(this.#options.root, next.entry, deps);
    this.#open.set(next.index, file);
    return { index: next.index, file };
  }

  async #askForBlocks(stripe: Stripe, owed: Owed, { index, file }: Asking, most: number): Promise<void> {
    const ranges: BlockRange[] = [];
    let room = most - owed.blocks.size;
    while (room > 0 && !file.isAskedFor) {
      const found = await file.advance();
      if ('want' in found) {
        appendBlock(ranges, found.want);
        room -= 1;
      } else {
        this.#options.meter.had(found.hadBytes);
        stripe.conversation.throwIfAborted();
      }
    }
    // All are noted before the first is asked for, since the channel may be lost meanwhile.
    for (const range of ranges) note(owed, index, range);
    for (const range of ranges) await this.#want(stripe, owed, index, range);
  }

  async #want(stripe: Stripe, owed: Owed, file: number, range: BlockRange): Promise<void> {
    note(owed, file, range);
    await stripe.conversation.say({ type: 'want', file, ...range, had_bytes: this.#options.meter.hadBytes });
  }

  async #take(stripe: Stripe, owed: Owed, message: string | Uint8Array): Promise<void> {
    if (typeof message === 'string') {
      const { type } = parseMessage(SenderMessage, message);
      throw new SleapRtcError('MESSAGE_INVALID', `The sender sent "${type}" out of turn.`);
    }
    const piece = decodePiece(message);
    const file = this.#open.get(piece.file);
    if (file === undefined && this.#finished.has(piece.file)) return this.#countSpare(piece);
    if (file === undefined) throw notAskedFor();
    if (piece.kind === 'data') await this.#takeData(stripe, owed, file, piece);
    else {
      file.takeHashes(piece);
      if (this.#asking !== undefined) this.#asking.hashesFrom = undefined;
      this.#wake();
    }
  }

  async #takeData(stripe: Stripe, owed: Owed, file: IncomingFile, piece: Piece): Promise<void> {
    if (!owed.blocks.has(numberOf(piece)) && file.isWanted(piece.block)) throw notAskedFor();
    await this.#breakOffOther(stripe, owed, piece);
    const { outcome, bytes } = await file.takeData(piece);
    stripe.movedBytes += piece.data.byteLength;
    this.#options.meter.moved(bytes);
    if (outcome === 'spare') this.#countSpare(piece);
    owed.arriving = outcome === 'more' ? piece : undefined;
    if (outcome === 'again') await this.#want(stripe, owed, piece.file, { first: piece.block, count: 1 });
    if (outcome !== 'done') return;
    owed.blocks.delete(numberOf(piece));
    if (file.isComplete) await this.#finish(piece.file, file);
  }

  /** The pieces of a block come one after another, so where another block's follow, the rest of it is lost. */
  async #breakOffOther(stripe: Stripe, owed: Owed, { file, block }: Piece): Promise<void> {
    const before = owed.arriving;
    if (before === undefined || (before.file === file && before.block === block)) return;
    owed.arriving = undefined;
    this.#options.meter.moved(this.#open.get(before.file)?.breakOff(before.block).bytes ?? 0);
    await this.#want(stripe, owed, before.file, { first: before.block, count: 1 });
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

/** A number for each block of the offer. */
function numberOf({ file, block }: Block): number {
  return file * 2 ** 32 + block;
}

function note(owed: Owed, file: number, range: BlockRange): void {
  for (const block of blocksOf(range)) owed.blocks.set(numberOf({ file, block }), { file, block });
}

function notAskedFor(): SleapRtcError {
  return new SleapRtcError('MESSAGE_INVALID', 'The sender sent data that was not asked for.');
}
