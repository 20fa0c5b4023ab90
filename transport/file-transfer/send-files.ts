import { SleapRtcError } from '../../protocol/errors.ts';
import type { TransferProgress } from '../../protocol/peer-messages.ts';
import type { DataChannel } from '../connection.ts';
import { blocksOf } from './blocks.ts';
import { Conversation } from './conversation.ts';
import type { SourceFile } from './describe-files.ts';
import type { HashCache } from './hash-cache.ts';
import { FAREWELL_MS, HASHES_PER_REQUEST, PIECE_HEADER_BYTES } from './limits.ts';
import { HELLO, offerMessages, parseMessage, ReceiverMessage } from './messages.ts';
import { dataPieces, encodePiece } from './pieces.ts';
import { ProgressMeter } from './progress-meter.ts';
import { SourceFiles } from './source-files.ts';

/** How a sender is watched and stopped. */
export interface SendOptions {
  /** The one that the files were described with: it forgets a file whose content is found to be another. */
  cache?: HashCache;
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
  try {
    await conversation.run(
      () => serve(conversation, source, files, meter),
      (text) => parseMessage(ReceiverMessage, text),
    );
    meter.finish();
  } finally {
    await source[Symbol.asyncDispose]();
  }
}

async function serve(
  conversation: Conversation,
  source: SourceFiles,
  files: SourceFile[],
  meter: ProgressMeter,
): Promise<void> {
  await conversation.say(HELLO);
  for (const message of offerMessages(files.map(({ entry }) => entry))) await conversation.say(message);
  for (;;) {
    const request = await nextRequest(conversation);
    switch (request.type) {
      case 'hashes': {
        if (request.count > HASHES_PER_REQUEST)
          throw new SleapRtcError('MESSAGE_INVALID', 'Too many hashes were asked for.');
        const { file, first: block } = request;
        const data = await source.hashes(file, block, request.count);
        await conversation.send(encodePiece({ kind: 'hashes', file, block, offset: 0, data }));
        break;
      }
      case 'want':
        meter.setHad(request.had_bytes);
        for (const block of blocksOf(request)) {
          const data = await source.block(request.file, block);
          for (const piece of dataPieces(request.file, block, data, conversation.maxMessageBytes)) {
            await conversation.send(piece);
            meter.moved(piece.byteLength - PIECE_HEADER_BYTES);
          }
        }
        break;
      case 'hello':
      case 'busy':
        break;
      case 'done':
        meter.setHad(request.had_bytes);
        await takeLeave(conversation);
        return;
      default:
        throw new SleapRtcError('MESSAGE_INVALID', `The receiver sent "${request.type}" out of turn.`);
    }
  }
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
