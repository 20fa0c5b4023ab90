import { SleapRtcError } from '../../../protocol/errors.ts';
import type { LocalBlocks } from '../disk/local-blocks.ts';
import { appendBlock, type BlockRange, blocksOf } from '../wire/blocks.ts';
import type { Conversation } from '../wire/conversation.ts';
import { MAX_DUPLICATE_BYTES } from '../wire/limits.ts';
import { parseMessage, SenderMessage } from '../wire/messages.ts';
import { decodePiece, type Piece } from '../wire/pieces.ts';
import type { ProgressMeter } from '../wire/progress-meter.ts';
import { BlockBuffers } from './block-buffers.ts';
import type { MissingFile } from './find-missing.ts';
import { IncomingFile } from './incoming-file.ts';

/** The file whose blocks are being requested. */
interface Requesting {
  index: number;
  file: IncomingFile;
  /** The channel on which its next hashes were requested. */
  hashesFrom?: Conversation | undefined;
}

interface Block {
  file: number;
  block: number;
}

/** What was requested on one channel and has not arrived. */
interface Pending {
  /** By `blockKey`. */
  blocks: Map<number, Block>;
  /** The block whose pieces are arriving. */
  arriving?: Block | undefined;
}

/** What a pull works on. */
interface PullOptions {
  root: string;
  localBlocks: LocalBlocks;
  missing: readonly MissingFile[];
  meter: ProgressMeter;
  /** Blocks that may be pending on each channel. */
  windowBlocks: () => number;
}

/**
 * The receiver's part of a transfer. It keeps a window of requested blocks on each channel, also from one file to the next, takes
 * what arrives, and finishes each file when its last block arrives. A block is requested on whichever channel has room for it.
 */
export class Pull {
  readonly #options: PullOptions;
  /** Unfinished files, by their index in the offer. */
  readonly #open = new Map<number, IncomingFile>();
  readonly #finished = new Set<number>();
  readonly #buffers = new BlockBuffers();
  readonly #pending = new Map<Conversation, Pending>();
  /** Blocks that were pending on channels that are lost. */
  readonly #returned: Block[] = [];
  #requesting: Requesting | undefined;
  #started = 0;
  #duplicateBytes = 0;
  #isOver = false;
  /** Resolves when a channel that has nothing pending may find something to request. */
  #changed = Promise.withResolvers<void>();
  /** The latest step of any channel. Steps run one at a time. */
  #lastStep: Promise<unknown> = Promise.resolve();

  constructor(options: PullOptions) {
    this.#options = options;
  }

  /** Takes part in the transfer on one channel. Resolves when all files have their names. */
  async serve(channel: Conversation): Promise<void> {
    const pending: Pending = { blocks: new Map() };
    this.#pending.set(channel, pending);
    for (;;) {
      await this.#runAlone(() => this.#request(channel, pending));
      if (this.#isDone) return this.#wake();
      if (await this.#hasToRead(channel, pending)) {
        const message = await channel.next();
        await this.#runAlone(() => this.#take(channel, pending, message));
      }
    }
  }

  /** Requests what is pending on a lost channel on the others. */
  lose(channel: Conversation): void {
    for (const { file, block } of this.#pending.get(channel)?.blocks.values() ?? []) {
      this.#options.meter.moved(-(this.#open.get(file)?.forget(block) ?? 0));
      this.#returned.push({ file, block });
    }
    this.#pending.delete(channel);
    if (this.#requesting?.hashesFrom === channel) this.#requesting.hashesFrom = undefined;
    this.#wake();
  }

  async close(): Promise<void> {
    this.#isOver = true;
    await this.#lastStep;
    for (const file of this.#open.values()) await file.close();
  }

  get #isDone(): boolean {
    return this.#requesting === undefined && this.#started === this.#options.missing.length && this.#open.size === 0;
  }

  #runAlone<Result>(step: () => Promise<Result>): Promise<Result> {
    const result = this.#lastStep.then(() => {
      if (this.#isOver) throw new SleapRtcError('PEER_GONE', 'The transfer is over.');
      return step();
    });
    this.#lastStep = result.catch(() => undefined);
    return result;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** If nothing is pending, waits for a message or for something to request. Returns false for the latter. */
  async #hasToRead(channel: Conversation, pending: Pending): Promise<boolean> {
    if (pending.blocks.size > 0 || this.#requesting?.hashesFrom === channel) return true;
    const changed = this.#changed.promise.then(() => false);
    return Promise.race([channel.peek().then(() => true), changed]);
  }

  /** Requests blocks until the channel's window is full, everything is requested, or a file's hashes are needed first. */
  async #request(channel: Conversation, pending: Pending): Promise<void> {
    const most = this.#options.windowBlocks();
    // Several at a time, since each request waits for its turn among the data.
    if (pending.blocks.size > (most * 3) / 4) return;
    while (pending.blocks.size < most) {
      const returned = this.#returned.shift();
      if (returned === undefined) break;
      await this.#requestRange(channel, pending, returned.file, { first: returned.block, count: 1 });
    }
    while (pending.blocks.size < most) {
      this.#requesting ??= await this.#openNext();
      if (this.#requesting === undefined) return;
      const { index, file } = this.#requesting;
      const hashes = file.missingHashes;
      if (hashes !== undefined) {
        if (this.#requesting.hashesFrom !== undefined) return;
        this.#requesting.hashesFrom = channel;
        return channel.sendMessage({ type: 'hashes', file: index, ...hashes });
      }
      await this.#requestBlocks(channel, pending, this.#requesting, most);
      if (!file.isRequested) return;
      this.#requesting = undefined;
      if (file.isComplete) await this.#finish(index, file);
    }
  }

  async #openNext(): Promise<Requesting | undefined> {
    const next = this.#options.missing[this.#started];
    if (next === undefined) return undefined;
    this.#started += 1;
    const { root, localBlocks } = this.#options;
    const file = await IncomingFile.open(root, next.entry, { localBlocks, buffers: this.#buffers });
    this.#open.set(next.index, file);
    return { index: next.index, file };
  }

  async #requestBlocks(
    channel: Conversation,
    pending: Pending,
    { index, file }: Requesting,
    most: number,
  ): Promise<void> {
    const ranges: BlockRange[] = [];
    let room = most - pending.blocks.size;
    while (room > 0 && !file.isRequested) {
      const next = await file.advance();
      if ('missingBlock' in next) {
        appendBlock(ranges, next.missingBlock);
        room -= 1;
      } else {
        this.#options.meter.had(next.hadBytes);
        channel.throwIfAborted();
      }
    }
    // All are pending before the first is requested, since the channel may be lost in between.
    for (const range of ranges) addPending(pending, index, range);
    for (const range of ranges) await this.#requestRange(channel, pending, index, range);
  }

  async #requestRange(channel: Conversation, pending: Pending, file: number, range: BlockRange): Promise<void> {
    addPending(pending, file, range);
    await channel.sendMessage({ type: 'want', file, ...range, had_bytes: this.#options.meter.hadBytes });
  }

  async #take(channel: Conversation, pending: Pending, message: string | Uint8Array): Promise<void> {
    if (typeof message === 'string') {
      const { type } = parseMessage(SenderMessage, message);
      throw new SleapRtcError('MESSAGE_INVALID', `The sender sent "${type}" out of turn.`);
    }
    const piece = decodePiece(message);
    const file = this.#open.get(piece.file);
    if (file === undefined && this.#finished.has(piece.file)) return this.#countDuplicate(piece);
    if (file === undefined) throw notRequested();
    if (piece.kind === 'data') return this.#takeData(channel, pending, file, piece);
    file.takeHashes(piece);
    if (this.#requesting !== undefined) this.#requesting.hashesFrom = undefined;
    this.#wake();
  }

  async #takeData(channel: Conversation, pending: Pending, file: IncomingFile, piece: Piece): Promise<void> {
    if (!pending.blocks.has(blockKey(piece)) && file.isPending(piece.block)) throw notRequested();
    await this.#breakOffOther(channel, pending, piece);
    const { outcome, bytes } = await file.takeData(piece);
    this.#options.meter.moved(bytes);
    if (outcome === 'duplicate') this.#countDuplicate(piece);
    pending.arriving = outcome === 'partial' ? piece : undefined;
    if (outcome === 'retry') {
      await this.#requestRange(channel, pending, piece.file, { first: piece.block, count: 1 });
    }
    if (outcome !== 'complete') return;
    pending.blocks.delete(blockKey(piece));
    if (file.isComplete) await this.#finish(piece.file, file);
  }

  /** The pieces of a block follow each other. If another block's piece arrives, the rest of the block is lost. */
  async #breakOffOther(channel: Conversation, pending: Pending, { file, block }: Piece): Promise<void> {
    const before = pending.arriving;
    if (before === undefined || (before.file === file && before.block === block)) return;
    pending.arriving = undefined;
    this.#options.meter.moved(this.#open.get(before.file)?.breakOff(before.block).bytes ?? 0);
    await this.#requestRange(channel, pending, before.file, { first: before.block, count: 1 });
  }

  /** A block that was requested again may arrive twice, but only so often. */
  #countDuplicate({ data }: Piece): void {
    this.#duplicateBytes += data.byteLength;
    if (this.#duplicateBytes <= MAX_DUPLICATE_BYTES) return;
    throw new SleapRtcError('MESSAGE_INVALID', 'The sender keeps sending what has arrived already.');
  }

  async #finish(index: number, file: IncomingFile): Promise<void> {
    await file.finish();
    this.#open.delete(index);
    this.#finished.add(index);
  }
}

/** A number for each block of the offer. */
function blockKey({ file, block }: Block): number {
  return file * 2 ** 32 + block;
}

function addPending(pending: Pending, file: number, range: BlockRange): void {
  for (const block of blocksOf(range)) pending.blocks.set(blockKey({ file, block }), { file, block });
}

function notRequested(): SleapRtcError {
  return new SleapRtcError('MESSAGE_INVALID', 'The sender sent data that was not requested.');
}
