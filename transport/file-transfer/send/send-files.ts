import { SleapRtcError } from '../../../protocol/errors.ts';
import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
import type { SourceFile } from '../disk/describe-files.ts';
import type { HashCache } from '../disk/hash-cache.ts';
import { blocksOf } from '../wire/blocks.ts';
import { Conversation } from '../wire/conversation.ts';
import { GOODBYE_TIMEOUT_MS, MAX_HASHES_PER_REQUEST, PIECE_HEADER_BYTES } from '../wire/limits.ts';
import { HELLO, offerMessages, parseMessage, ReceiverMessage } from '../wire/messages.ts';
import { dataPieces, encodePiece } from '../wire/pieces.ts';
import { ProgressMeter } from '../wire/progress-meter.ts';
import { channelGroup, type TransferChannel } from '../wire/transfer-channel.ts';
import { SourceFiles } from './source-files.ts';

/** How a sender is observed and stopped. */
export interface SendOptions {
  /** The cache that the files were described with. If a file turns out to have changed, the cache forgets it. */
  cache?: HashCache;
  signal?: AbortSignal;
  /** Called about four times a second, and at the end. */
  onProgress?: (progress: TransferProgress) => void;
}

/**
 * Offers files and sends the blocks that the receiver requests, until the receiver has all files. The caller closes the channel.
 * @throws SleapRtcError SOURCE_CHANGED, FILE_NOT_FOUND, PEER_GONE, TRANSFER_FAILED, or what the receiver reports (DISK_FULL, INTEGRITY, …)
 */
export async function sendFiles(
  channel: TransferChannel,
  files: SourceFile[],
  options: SendOptions = {},
): Promise<void> {
  const { cache, signal, onProgress } = options;
  const conversation = new Conversation(channel, signal);
  const source = new SourceFiles(files, cache);
  const totalBytes = files.reduce((sum, { entry }) => sum + entry.size_bytes, 0);
  const meter = new ProgressMeter(totalBytes, onProgress);
  const group = channelGroup(channel, { role: 'sender', signal, readError: readReceiverError });
  try {
    await conversation.run(async () => {
      await conversation.sendMessage({ ...HELLO, ...group.helloFields });
      for (const message of offerMessages(files.map(({ entry }) => entry))) await conversation.sendMessage(message);
      await group.run(conversation, {
        serve: (each) => serveReceiver(each, { source, meter, greeted: (hello) => group.greeted(hello) }),
        onLost: () => undefined,
        leftBytes: () => meter.leftBytes,
      });
    }, readReceiverError);
    meter.finish();
  } finally {
    await group.close();
    await source.close();
  }
}

type Request<Type extends ReceiverMessage['type']> = Extract<ReceiverMessage, { type: Type }>;

/** What the channels of a sender share. */
interface Sending {
  source: SourceFiles;
  meter: ProgressMeter;
  greeted: (hello: Request<'hello'>) => void;
}

/** Answers the receiver's requests on one channel, until the receiver has all files. */
async function serveReceiver(conversation: Conversation, { source, meter, greeted }: Sending): Promise<void> {
  for (;;) {
    const request = await nextRequest(conversation);
    switch (request.type) {
      case 'hashes':
        await sendHashes(conversation, source, request);
        break;
      case 'want':
        meter.setHad(request.had_bytes);
        await sendBlocks(conversation, { source, meter }, request);
        break;
      case 'hello':
        greeted(request);
        break;
      case 'busy':
        break;
      case 'done':
        meter.setHad(request.had_bytes);
        await sayGoodbye(conversation);
        return;
      default:
        throw new SleapRtcError('MESSAGE_INVALID', `The receiver sent "${request.type}" out of turn.`);
    }
  }
}

async function sendHashes(conversation: Conversation, source: SourceFiles, request: Request<'hashes'>): Promise<void> {
  const { file, first, count } = request;
  if (count > MAX_HASHES_PER_REQUEST) {
    throw new SleapRtcError('MESSAGE_INVALID', 'The receiver requested too many hashes.');
  }
  const data = await source.hashes(file, first, count);
  await conversation.sendData(encodePiece({ kind: 'hashes', file, block: first, offset: 0, data }));
}

async function sendBlocks(
  conversation: Conversation,
  { source, meter }: Pick<Sending, 'source' | 'meter'>,
  request: Request<'want'>,
): Promise<void> {
  for (const block of blocksOf(request)) {
    const data = await source.block(request.file, block);
    for (const piece of dataPieces(request.file, block, data, conversation.maxMessageBytes)) {
      await conversation.sendData(piece);
      meter.moved(piece.byteLength - PIECE_HEADER_BYTES);
    }
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

/** The receiver has all files, so a failure no longer matters. Waits for its answer, so that the goodbye is not cut off. */
async function sayGoodbye(conversation: Conversation): Promise<void> {
  try {
    await conversation.sendMessage({ type: 'goodbye' });
    await conversation.next(GOODBYE_TIMEOUT_MS);
  } catch {
    // The receiver has closed the channel.
  }
}
