import { SleapRtcError } from '../../../protocol/errors.ts';
import { type FileEntry, MAX_FILES } from '../../../protocol/files.ts';
import type { Conversation } from '../wire/conversation.ts';
import { type Hello, parseMessage, SenderMessage } from '../wire/messages.ts';

/** Reads the sender's `hello`, if it sends one, and its whole offer. */
export async function readOffer(
  conversation: Conversation,
): Promise<{ offered: FileEntry[]; hello: Hello | undefined }> {
  const offered: FileEntry[] = [];
  let hello: Hello | undefined;
  for (let received = 0; ; received += 1) {
    const text = await conversation.next();
    const message = typeof text === 'string' ? parseMessage(SenderMessage, text) : undefined;
    if (message?.type === 'hello' && received === 0) {
      hello = message;
      continue;
    }
    if (message?.type !== 'offer') throw new SleapRtcError('MESSAGE_INVALID', 'The sender did not offer files.');
    offered.push(...message.files);
    // A longer offer is refused before its end: it may have none.
    if (offered.length > MAX_FILES) {
      throw new SleapRtcError('MESSAGE_INVALID', `More than ${MAX_FILES} files are offered.`);
    }
    if (message.last) return { offered, hello };
    if (message.files.length === 0) throw new SleapRtcError('MESSAGE_INVALID', 'The sender offered no file.');
  }
}

/** Throws the error that a message of the sender reports, if it reports one. */
export function readSenderError(text: string): void {
  parseMessage(SenderMessage, text);
}
