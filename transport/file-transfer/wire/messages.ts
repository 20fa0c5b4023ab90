import { z } from 'zod';
import { isErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { FileEntry, MAX_FILES } from '../../../protocol/files.ts';
import { MAX_OFFER_BYTES, MAX_WANTED_BLOCKS } from './limits.ts';

/** Version of the transfer protocol (see `../../PROTOCOL.md`). A change that an older side cannot follow raises it. */
const TRANSFER_VERSION = 1;

/** The first message of each side. What it says about further channels is read by the channel group. */
const Hello = z.looseObject({
  type: z.literal('hello'),
  protocol: z.literal('sleap-rtc-files'),
  version: z.int(),
});
export type Hello = z.infer<typeof Hello>;
/** Why a side gives up. `code` is one of `protocol/errors.ts`. */
const Failure = z.object({ type: z.literal('error'), code: z.string().max(64), message: z.string().max(2000) });
/** The last message of each side. The sender's comes first. */
const Goodbye = z.object({ type: z.literal('goodbye') });
const FileIndex = z
  .int()
  .min(0)
  .max(MAX_FILES - 1);
const BlockIndex = z.int().min(0).max(0xffff_ffff);

/** Text messages of the side that has the files. */
export const SenderMessage = z.discriminatedUnion('type', [
  Hello,
  Failure,
  z.object({
    type: z.literal('offer'),
    /** Paths are checked separately, so that an unsafe one is reported as such. */
    files: z.array(FileEntry.extend({ path: z.string().max(4096) })).max(MAX_FILES),
    last: z.boolean(),
  }),
  Goodbye,
]);
export type SenderMessage = z.infer<typeof SenderMessage>;

/** Text messages of the side that wants the files. */
export const ReceiverMessage = z.discriminatedUnion('type', [
  Hello,
  Failure,
  z.object({ type: z.literal('hashes'), file: FileIndex, first: BlockIndex, count: z.int().min(1) }),
  z.object({
    type: z.literal('want'),
    file: FileIndex,
    first: BlockIndex,
    count: z.int().min(1).max(MAX_WANTED_BLOCKS),
    /** Bytes that the receiver had already, for the sender's progress. */
    had_bytes: z.int().min(0),
  }),
  z.object({ type: z.literal('done'), had_bytes: z.int().min(0) }),
  /** The receiver is working, for example checking what an earlier attempt left. */
  z.object({ type: z.literal('busy') }),
  Goodbye,
]);
export type ReceiverMessage = z.infer<typeof ReceiverMessage>;

/** What both sides send first. */
export const HELLO = { type: 'hello', protocol: 'sleap-rtc-files', version: TRANSFER_VERSION } as const;

/**
 * Parses a text message of the other side.
 * @throws SleapRtcError MESSAGE_INVALID, or the error that the message reports
 */
export function parseMessage<Message extends SenderMessage | ReceiverMessage>(
  schema: z.ZodType<Message>,
  text: string,
): Message {
  const parsed = schema.safeParse(parseJson(text));
  if (!parsed.success) {
    throw new SleapRtcError('MESSAGE_INVALID', 'A message of the transfer is not valid.', { cause: parsed.error });
  }
  const message: SenderMessage | ReceiverMessage = parsed.data;
  if (message.type === 'error') {
    throw new SleapRtcError(isErrorCode(message.code) ? message.code : 'TRANSFER_FAILED', message.message);
  }
  if (message.type === 'hello' && message.version !== TRANSFER_VERSION) {
    throw new SleapRtcError(
      'MESSAGE_INVALID',
      `The other side uses version ${message.version} of the transfer protocol, this side version ${TRANSFER_VERSION}.`,
    );
  }
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The offer of a list of files, in as many messages as it needs. */
export function* offerMessages(files: readonly FileEntry[]): Generator<SenderMessage> {
  let part: FileEntry[] = [];
  let bytes = 0;
  for (const file of files) {
    const size = Buffer.byteLength(JSON.stringify(file)) + 1;
    if (bytes + size > MAX_OFFER_BYTES) {
      yield { type: 'offer', files: part, last: false };
      part = [];
      bytes = 0;
    }
    part.push(file);
    bytes += size;
  }
  yield { type: 'offer', files: part, last: true };
}
