import { type FileEntry, totalBytes } from '../../../protocol/files.ts';
import type { TransferProgress } from '../../../protocol/jobs/job-view.ts';
import { openDestination } from '../disk/destination.ts';
import { HashCache } from '../disk/hash-cache.ts';
import { LocalBlocks, type Reuse } from '../disk/local-blocks.ts';
import { removePartialFolder } from '../disk/partial-file.ts';
import { Conversation } from '../wire/conversation.ts';
import { GOODBYE_TIMEOUT_MS, WINDOW_BLOCKS } from '../wire/limits.ts';
import { HELLO } from '../wire/messages.ts';
import { ProgressMeter } from '../wire/progress-meter.ts';
import { type ChannelGroup, channelGroup, type TransferChannel } from '../wire/transfer-channel.ts';
import { acceptOffer } from './accept-offer.ts';
import { findMissing, type MissingFile } from './find-missing.ts';
import { Pull } from './pull.ts';
import { readOffer, readSenderError } from './read-offer.ts';

/** What a receiver accepts, and how it is observed and stopped. */
export interface ReceiveOptions {
  /** Only exactly these files, with these sizes and hashes, are accepted. Default: whatever is offered. */
  expected?: FileEntry[];
  /** An offer of more bytes in all is refused. */
  maxTotalBytes?: number;
  /** What is known of the files on this machine. Received files are added, and the cache is saved. Default: an empty cache. */
  cache?: HashCache;
  /** Other files whose content may be used. Content in the destination, and content that is offered twice, is always used. */
  reuse?: Reuse;
  signal?: AbortSignal;
  /** Called about four times a second, and at the end. */
  onProgress?: (progress: TransferProgress) => void;
}

/**
 * Receives the offered files into `folder` and returns their entries. What an earlier attempt left there is used. A file gets its
 * name only when it is complete. The caller closes the channel.
 * @throws SleapRtcError PATH_UNSAFE, SOURCE_CHANGED, INTEGRITY, DISK_FULL, NOT_ALLOWED, PEER_GONE, TRANSFER_FAILED, or what
 * the sender reports (FILE_NOT_FOUND, …)
 */
export async function receiveFiles(
  channel: TransferChannel,
  folder: string,
  options: ReceiveOptions = {},
): Promise<FileEntry[]> {
  const conversation = new Conversation(channel, options.signal);
  const busySignals = conversation.startBusySignals();
  try {
    return await conversation.run(() => receive(channel, conversation, folder, options), readSenderError);
  } finally {
    busySignals.close();
  }
}

async function receive(
  channel: TransferChannel,
  conversation: Conversation,
  folder: string,
  options: ReceiveOptions,
): Promise<FileEntry[]> {
  const { signal, onProgress, reuse, cache = HashCache.inMemory() } = options;
  const group = channelGroup(channel, { role: 'receiver', signal, readError: readSenderError });
  await conversation.sendMessage({ ...HELLO, ...group.helloFields });
  const { offered, hello } = await readOffer(conversation);
  const files = acceptOffer(offered, options);
  const root = await openDestination(folder);
  const meter = new ProgressMeter(totalBytes(files), onProgress);
  const localBlocks = await LocalBlocks.open(cache, root, reuse);
  try {
    const found = await findMissing(files, { root, localBlocks, meter, conversation });
    if (hello !== undefined) group.greeted(hello);
    await pullFiles(conversation, group, { root, localBlocks, meter, ...found });
  } finally {
    await localBlocks.close();
    await cache.save();
  }
  await removePartialFolder(root);
  meter.finish();
  return files;
}

/** What there is to pull. */
interface Pulling {
  root: string;
  localBlocks: LocalBlocks;
  meter: ProgressMeter;
  missing: MissingFile[];
  twins: MissingFile[];
}

/** Pulls the missing files on the first channel and on further ones, and says goodbye. */
async function pullFiles(first: Conversation, group: ChannelGroup, pulling: Pulling): Promise<void> {
  const { meter } = pulling;
  const missing = new Pull({ ...pulling, windowBlocks: () => group.windowBlocks });
  // Once the other files are there, the content of twins is there too, so nothing is requested for them.
  const twins = new Pull({ ...pulling, missing: pulling.twins, windowBlocks: () => WINDOW_BLOCKS });
  let ending: Promise<void> | undefined;
  const end = async (conversation: Conversation) => {
    await twins.serve(conversation);
    await sayGoodbye(conversation, meter);
  };
  try {
    await group.run(first, {
      serve: async (conversation) => {
        await missing.serve(conversation);
        ending ??= end(conversation);
        await ending;
      },
      onLost: (conversation) => missing.lose(conversation),
      leftBytes: () => meter.leftBytes,
    });
  } finally {
    await group.close();
    await missing.close();
    await twins.close();
  }
}

/** All files are complete, so a failure no longer matters. The sender's goodbye shows that the sender knows it too. */
async function sayGoodbye(conversation: Conversation, meter: ProgressMeter): Promise<void> {
  try {
    await conversation.sendMessage({ type: 'done', had_bytes: meter.hadBytes });
    await conversation.next(GOODBYE_TIMEOUT_MS);
    await conversation.sendMessage({ type: 'goodbye' });
  } catch {
    // The sender has closed the channel.
  }
}
