import { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import type { TransferProgress } from '../../protocol/peer-messages.ts';
import type { DataChannel } from '../connection.ts';
import { acceptOffer } from './accept-offer.ts';
import { Conversation } from './conversation.ts';
import { allocatedBytes, checkFreeSpace, isFinished, openDestination, prepareParents } from './destination.ts';
import { FAREWELL_MS } from './limits.ts';
import { HELLO, parseMessage, SenderMessage } from './messages.ts';
import { partialPath, removePartialFolder } from './partial-file.ts';
import { ProgressMeter } from './progress-meter.ts';
import { Pull } from './pull.ts';

/** What a receiver insists on. */
export interface ReceiveOptions {
  /** Exactly these files, with these sizes and hashes, are accepted. Absent: whatever is offered. */
  expected?: FileEntry[];
  /** Refuse offers of more than this many bytes in all. */
  maxTotalBytes?: number;
  signal?: AbortSignal;
  /** Called about four times a second, and at the end. */
  onProgress?: (progress: TransferProgress) => void;
}

/**
 * Pulls the offered files into `folder` and gives their entries. What an earlier attempt left there is used; a file has its
 * name only when it is whole. The caller closes the channel.
 * @throws SleapRtcError PATH_UNSAFE, SOURCE_CHANGED, INTEGRITY, DISK_FULL, NOT_ALLOWED, PEER_GONE, TRANSFER_FAILED, or what
 * the sender reports (FILE_NOT_FOUND, …)
 */
export async function receiveFiles(
  channel: DataChannel,
  folder: string,
  options: ReceiveOptions = {},
): Promise<FileEntry[]> {
  const conversation = new Conversation(channel, options.signal);
  const patience = conversation.keepPatient();
  const receiving = conversation.run(
    async () => {
      await conversation.say(HELLO);
      const files = acceptOffer(await readOffer(conversation), options);
      const root = await openDestination(folder);
      const meter = new ProgressMeter(
        files.reduce((sum, file) => sum + file.size_bytes, 0),
        options.onProgress,
      );
      const missing = await lookAround(root, files, meter, conversation);
      await pull(conversation, root, missing, meter);
      await takeLeave(conversation, meter);
      await removePartialFolder(root);
      meter.finish();
      return files;
    },
    (text) => parseMessage(SenderMessage, text),
  );
  return receiving.finally(() => patience[Symbol.dispose]());
}

async function readOffer(conversation: Conversation): Promise<FileEntry[]> {
  const files: FileEntry[] = [];
  for (;;) {
    const text = await conversation.next();
    const message = typeof text === 'string' ? parseMessage(SenderMessage, text) : undefined;
    if (message?.type === 'hello') continue;
    if (message?.type !== 'offer') throw new SleapRtcError('MESSAGE_INVALID', 'The sender did not offer files.');
    files.push(...message.files);
    if (message.last) return files;
  }
}

/** Finds the files that are not here yet, and whether the disk has room for what is missing of them. */
async function lookAround(
  root: string,
  files: readonly FileEntry[],
  meter: ProgressMeter,
  conversation: Conversation,
): Promise<{ index: number; entry: FileEntry }[]> {
  const missing: { index: number; entry: FileEntry }[] = [];
  let neededBytes = 0;
  for (const [index, entry] of files.entries()) {
    conversation.throwIfAborted();
    if (await isFinished(await prepareParents(root, entry.path), entry)) {
      meter.had(entry.size_bytes);
      continue;
    }
    missing.push({ index, entry });
    neededBytes += Math.max(0, entry.size_bytes - (await allocatedBytes(partialPath(root, entry))));
  }
  await checkFreeSpace(root, neededBytes);
  return missing;
}

async function pull(
  conversation: Conversation,
  root: string,
  missing: { index: number; entry: FileEntry }[],
  meter: ProgressMeter,
): Promise<void> {
  const pulling = new Pull(conversation, root, missing, meter);
  try {
    await pulling.run();
  } finally {
    await pulling[Symbol.asyncDispose]();
  }
}

/** All is here, so nothing that happens now is a failure; the goodbye tells that the sender knows it too. */
async function takeLeave(conversation: Conversation, meter: ProgressMeter): Promise<void> {
  try {
    await conversation.say({ type: 'done', had_bytes: meter.hadBytes });
    await conversation.next(FAREWELL_MS);
    await conversation.say({ type: 'goodbye' });
  } catch {
    // The sender has closed the channel.
  }
}
