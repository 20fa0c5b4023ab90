import { join } from 'node:path';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { type FileEntry, MAX_FILES } from '../../../protocol/files.ts';
import type { TransferProgress } from '../../../protocol/job-view.ts';
import type { DataChannel } from '../../connection/connection.ts';
import { allocatedBytes, checkFreeSpace, lookAt, openDestination } from '../disk/destination.ts';
import { HashCache } from '../disk/hash-cache.ts';
import { Holdings, type Reuse } from '../disk/local-blocks.ts';
import { partialPath, removePartialFolder } from '../disk/partial-file.ts';
import { Stripe, type Striping } from '../stripes/stripe.ts';
import { StripeGroup } from '../stripes/stripe-group.ts';
import { widen } from '../stripes/widening.ts';
import { Conversation } from '../wire/conversation.ts';
import { FAREWELL_MS, MAX_STRIPES } from '../wire/limits.ts';
import { HELLO, type Hello, parseMessage, SenderMessage } from '../wire/messages.ts';
import { ProgressMeter } from '../wire/progress-meter.ts';
import { acceptOffer } from './accept-offer.ts';
import { Pull } from './pull.ts';

/** What a receiver insists on. */
export interface ReceiveOptions {
  /** Exactly these files, with these sizes and hashes, are accepted. Absent: whatever is offered. */
  expected?: FileEntry[];
  /** Refuse offers of more than this many bytes in all. */
  maxTotalBytes?: number;
  /** What is known of the files here; what comes is added and it is saved. Absent: nothing outlives the call. */
  cache?: HashCache;
  /** Other files that may serve for what is offered. What the destination and the offer have twice is not sent anyway. */
  reuse?: Reuse;
  /** How it may use further connections. Absent: it uses the one channel. */
  striping?: Striping;
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
  const cache = options.cache ?? HashCache.inMemory();
  const patience = conversation.keepPatient();
  const receiving = conversation.run(async () => {
    await conversation.say(options.striping === undefined ? HELLO : { ...HELLO, stripes: MAX_STRIPES });
    const { offered, hello } = await readOffer(conversation);
    const files = acceptOffer(offered, options);
    const root = await openDestination(folder);
    const totalBytes = files.reduce((sum, file) => sum + file.size_bytes, 0);
    const meter = new ProgressMeter(totalBytes, options.onProgress);
    const holdings = await Holdings.open(cache, root, options.reuse);
    try {
      const found = await lookAround(root, files, { holdings, meter, conversation });
      await pull(new Stripe(conversation, channel), { root, holdings, meter, ...found }, hello, options);
    } finally {
      await holdings[Symbol.asyncDispose]();
      await cache.save();
    }
    await removePartialFolder(root);
    meter.finish();
    return files;
  }, readSenderError);
  return receiving.finally(() => patience[Symbol.dispose]());
}

function readSenderError(text: string): void {
  parseMessage(SenderMessage, text);
}

async function readOffer(conversation: Conversation): Promise<{ offered: FileEntry[]; hello: Hello | undefined }> {
  const offered: FileEntry[] = [];
  let hello: Hello | undefined;
  for (let heard = 0; ; heard += 1) {
    const text = await conversation.next();
    const message = typeof text === 'string' ? parseMessage(SenderMessage, text) : undefined;
    if (message?.type === 'hello' && heard === 0) {
      hello = message;
      continue;
    }
    if (message?.type !== 'offer') throw new SleapRtcError('MESSAGE_INVALID', 'The sender did not offer files.');
    offered.push(...message.files);
    // A longer one is refused before it is whole: it need not end.
    if (offered.length > MAX_FILES)
      throw new SleapRtcError('MESSAGE_INVALID', `More than ${MAX_FILES} files are offered.`);
    if (message.last) return { offered, hello };
    if (message.files.length === 0) throw new SleapRtcError('MESSAGE_INVALID', 'The sender offered nothing.');
  }
}

interface Wanted {
  index: number;
  entry: FileEntry;
}

/**
 * Finds the files that are not here yet, refusing all before anything is written where one may not be written or the disk has
 * no room for what is missing; and gives those their names whose content is here under another.
 * @returns `twins`: those with the content of one that is missing too
 */
async function lookAround(
  root: string,
  files: readonly FileEntry[],
  { holdings, meter, conversation }: { holdings: Holdings; meter: ProgressMeter; conversation: Conversation },
): Promise<{ missing: Wanted[]; twins: Wanted[] }> {
  const absent: Wanted[] = [];
  let neededBytes = 0;
  const found = new Map<FileEntry, { sizeBytes: number } | 'absent'>();
  for (const entry of files) found.set(entry, await lookAt(root, entry.path));
  for (const [index, entry] of files.entries()) {
    conversation.throwIfAborted();
    const here = found.get(entry) === 'absent' ? undefined : await holdings.describe(join(root, entry.path));
    if (here?.sha256 === entry.sha256) {
      meter.had(entry.size_bytes);
      continue;
    }
    absent.push({ index, entry });
    if (await holdings.canLink(entry)) continue;
    neededBytes += Math.max(0, entry.size_bytes - (await allocatedBytes(partialPath(root, entry))));
  }
  await checkFreeSpace(root, neededBytes);

  const missing = new Map<string, Wanted>();
  const twins: Wanted[] = [];
  for (const wanted of absent) {
    conversation.throwIfAborted();
    const { entry } = wanted;
    if (await holdings.place(root, entry)) meter.had(entry.size_bytes);
    else if (missing.has(entry.sha256)) twins.push(wanted);
    else missing.set(entry.sha256, wanted);
  }
  return { missing: [...missing.values()], twins };
}

/** Pulls on one channel, and on others that come to it, and takes leave. */
async function pull(
  first: Stripe,
  what: { root: string; holdings: Holdings; missing: Wanted[]; twins: Wanted[]; meter: ProgressMeter },
  hello: Hello | undefined,
  { striping, signal }: ReceiveOptions,
): Promise<void> {
  const pulling: Pull = new Pull({ ...what, stripeCount: () => group.stripes.length });
  // Their content is here when the others are, so nothing of them is asked for.
  const twins = new Pull({ ...what, missing: what.twins, stripeCount: () => 1 });
  let ending: Promise<void> | undefined;
  const end = async (stripe: Stripe) => {
    await twins.serve(stripe);
    await takeLeave(stripe.conversation, what.meter);
  };
  const group: StripeGroup = new StripeGroup({
    serve: async (stripe) => {
      await pulling.serve(stripe);
      ending ??= end(stripe);
      await ending;
    },
    onLost: (stripe) => pulling.lose(stripe),
    readError: readSenderError,
    signal,
    patient: true,
  });
  const widening = widen(group, { striping, hello, transfer: hello?.transfer, leftBytes: () => what.meter.leftBytes });
  try {
    await group.run(first);
  } finally {
    await widening?.[Symbol.asyncDispose]();
    await pulling[Symbol.asyncDispose]();
    await twins[Symbol.asyncDispose]();
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
