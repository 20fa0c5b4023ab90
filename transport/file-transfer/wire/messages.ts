import { z } from 'zod';
import { isErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { FileEntry, MAX_FILES } from '../../../protocol/files.ts';
import { MAX_WANTED_BLOCKS, OFFER_BYTES } from './limits.ts';

/** Version of the transfer protocol (see `../PROTOCOL.md`); a change that an older side cannot follow raises it. */
export const TRANSFER_VERSION = 1;

const Hello = z.object({
  type: z.literal('hello'),
  protocol: z.literal('sleap-rtc-files'),
  version: z.int(),
  /** Most channels that this side takes for the transfer; absent: this one only. */
  stripes: z.int().min(1).max(16).optional(),
  /** The sender's name for the transfer, where further channels may join it. */
  transfer: z.string().min(16).max(64).optional(),
  /** On a further channel: the transfer that it joins. */
  joins: z.string().min(16).max(64).optional(),
});
export type Hello = z.infer<typeof Hello>;
/** Why a side gives up; `code` is one of `protocol/errors.ts`. */
const Failure = z.object({ type: z.literal('error'), code: z.string().max(64), message: z.string().max(2000) });
/** The last word of each side, the sender's first. */
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
    /** Paths are checked apart from the rest, so that an unsafe one is reported as such. */
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
    /** Bytes found here, from an earlier attempt; for the sender's progress. */
    had_bytes: z.int().min(0),
  }),
  z.object({ type: z.literal('done'), had_bytes: z.int().min(0) }),
  /** Checking what an earlier attempt left takes long. */
  z.object({ type: z.literal('busy') }),
  Goodbye,
]);
export type ReceiverMessage = z.infer<typeof ReceiverMessage>;

/** What both sides say first. */
export const HELLO = { type: 'hello', protocol: 'sleap-rtc-files', version: TRANSFER_VERSION } as const;

/**
 * Parses a text message of the other side.
 * @throws SleapRtcError MESSAGE_INVALID; or, where the other side reports an error, that one
 */
export function parseMessage<Message extends SenderMessage | ReceiverMessage>(
  schema: z.ZodType<Message>,
  text: string,
): Message {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new SleapRtcError('MESSAGE_INVALID', 'A message of the transfer is not understood.', { cause: parsed.error });
  }
  const message: SenderMessage | ReceiverMessage = parsed.data;
  if (message.type === 'error') {
    throw new SleapRtcError(isErrorCode(message.code) ? message.code : 'TRANSFER_FAILED', message.message);
  }
  if (message.type === 'hello' && message.version !== TRANSFER_VERSION) {
    throw new SleapRtcError(
      'MESSAGE_INVALID',
      `The other side speaks version ${message.version} of the transfer protocol, this one ${TRANSFER_VERSION}.`,
    );
  }
  return parsed.data;
}

/** The offer of a list of files, in as many messages as it needs. */
export function* offerMessages(files: readonly FileEntry[]): Generator<SenderMessage> {
  let part: FileEntry[] = [];
  let bytes = 0;
  for (const file of files) {
    const size = Buffer.byteLength(JSON.stringify(file)) + 1;
    if (bytes + size > OFFER_BYTES) {
      yield { type: 'offer', files: part, last: false };
      part = [];
      bytes = 0;
    }
    part.push(file);
    bytes += size;
  }
  yield { type: 'offer', files: part, last: true };
}
