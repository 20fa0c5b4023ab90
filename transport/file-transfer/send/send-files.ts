import { randomBytes } from 'node:crypto';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { TransferProgress } from '../../../protocol/job-view.ts';
import type { DataChannel } from '../../connection/connection.ts';
import type { SourceFile } from '../disk/describe-files.ts';
import type { HashCache } from '../disk/hash-cache.ts';
import { Stripe, type Striping } from '../stripes/stripe.ts';
import { StripeGroup } from '../stripes/stripe-group.ts';
import { widen } from '../stripes/widening.ts';
import { blocksOf } from '../wire/blocks.ts';
import { Conversation } from '../wire/conversation.ts';
import { FAREWELL_MS, HASHES_PER_REQUEST, MAX_STRIPES, PIECE_HEADER_BYTES } from '../wire/limits.ts';
import { HELLO, type Hello, offerMessages, parseMessage, ReceiverMessage } from '../wire/messages.ts';
import { dataPieces, encodePiece } from '../wire/pieces.ts';
import { ProgressMeter } from '../wire/progress-meter.ts';
import { SourceFiles } from './source-files.ts';

/** How a sender is watched and stopped. */
export interface SendOptions {
  /** The one that the files were described with: it forgets a file whose content is found to be another. */
  cache?: HashCache;
  /** How it may use further connections. Absent: it uses the one channel. */
  striping?: Striping;
  signal?: AbortSignal;
  /** Called about four times a second, and at the end. */
  onProgress?: (progress: TransferProgress) => void;
}

/**
 * Offers files and serves the blocks that the receiver asks for, until it says that it has all. The caller closes the channel.
 * @throws SleapRtcError SOURCE_CHANGED, FILE_NOT_FOUND, PEER_GONE, TRANSFER_FAILED, or what the receiver reports (DISK_FULL, INTEGRITY, …)
 */
export async function sendFiles(channel: DataChannel, files: SourceFile[], options: SendOptions = {}): Promise<void> {
  const conversation = new Conversation(channel, options.signal);
  const source = new SourceFiles(files, options.cache);
  const total = files.reduce((sum, { entry }) => sum + entry.size_bytes, 0);
  const meter = new ProgressMeter(total, options.onProgress);
  const sending = new Sending(source, meter, options);
  try {
    await conversation.run(async () => {
      await conversation.say({ ...HELLO, ...sending.invitation });
      for (const message of offerMessages(files.map(({ entry }) => entry))) await conversation.say(message);
      await sending.run(new Stripe(conversation, channel));
    }, readReceiverError);
    meter.finish();
  } finally {
    await sending[Symbol.asyncDispose]();
    await source[Symbol.asyncDispose]();
  }
}

/** A sender's part on all channels of a transfer. */
class Sending implements AsyncDisposable {
  /** What the first hello says of further channels. */
  readonly invitation: { stripes?: number; transfer?: string };
  readonly #source: SourceFiles;
  readonly #meter: ProgressMeter;
  readonly #striping: Striping | undefined;
  readonly #group: StripeGroup;
  #widening: AsyncDisposable | undefined;
  #greeted = false;

  constructor(source: SourceFiles, meter: ProgressMeter, { striping, signal }: SendOptions) {
    this.#source = source;
    this.#meter = meter;
    this.#striping = striping;
    this.invitation =
      striping === undefined ? {} : { stripes: MAX_STRIPES, transfer: randomBytes(16).toString('base64url') };
    this.#group = new StripeGroup({
      serve: (stripe) => this.#serve(stripe),
      onLost: () => undefined,
      readError: readReceiverError,
      signal,
      patient: false,
    });
  }

  async run(first: Stripe): Promise<void> {
    await this.#group.run(first);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#widening?.[Symbol.asyncDispose]();
  }

  async #serve(stripe: Stripe): Promise<void> {
    const { conversation } = stripe;
    for (;;) {
      const request = await nextRequest(conversation);
      switch (request.type) {
        case 'hashes': {
          if (request.count > HASHES_PER_REQUEST)
            throw new SleapRtcError('MESSAGE_INVALID', 'Too many hashes were asked for.');
          const { file, first: block } = request;
          const data = await this.#source.hashes(file, block, request.count);
          await conversation.send(encodePiece({ kind: 'hashes', file, block, offset: 0, data }));
          break;
        }
        case 'want':
          await this.#send(stripe, request);
          break;
        case 'hello':
          this.#open(request);
          break;
        case 'busy':
          break;
        case 'done':
          this.#meter.setHad(request.had_bytes);
          await takeLeave(conversation);
          return;
        default:
          throw new SleapRtcError('MESSAGE_INVALID', `The receiver sent "${request.type}" out of turn.`);
      }
    }
  }

  async #send(stripe: Stripe, request: Extract<ReceiverMessage, { type: 'want' }>): Promise<void> {
    const { conversation } = stripe;
    this.#meter.setHad(request.had_bytes);
    for (const block of blocksOf(request)) {
      const data = await this.#source.block(request.file, block);
      for (const piece of dataPieces(request.file, block, data, conversation.maxMessageBytes)) {
        await conversation.send(piece);
        stripe.movedBytes += piece.byteLength - PIECE_HEADER_BYTES;
        this.#meter.moved(piece.byteLength - PIECE_HEADER_BYTES);
      }
    }
  }

  /** The receiver's first hello says whether it takes further channels. */
  #open(hello: Hello): void {
    if (this.#greeted) return;
    this.#greeted = true;
    const { transfer } = this.invitation;
    const leftBytes = () => this.#meter.leftBytes;
    this.#widening = widen(this.#group, { striping: this.#striping, hello, transfer, leftBytes });
  }
}

function readReceiverError(text: string): void {
  parseMessage(ReceiverMessage, text);
}

async function nextRequest(conversation: Conversation): Promise<ReceiverMessage> {
  const message = await conversation.next();
  if (typeof message !== 'string') throw new SleapRtcError('MESSAGE_INVALID', 'The receiver sent data.');
  return parseMessage(ReceiverMessage, message);
}

/** The receiver has all, so nothing that happens now is a failure. The channel is kept until it has heard the goodbye. */
async function takeLeave(conversation: Conversation): Promise<void> {
  try {
    await conversation.say({ type: 'goodbye' });
    await conversation.next(FAREWELL_MS);
  } catch {
    // It has closed the channel.
  }
}
