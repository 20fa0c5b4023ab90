import { z } from 'zod';
import { within } from '../../async/within.ts';
import type { DataChannel } from '../../connection/connection.ts';
import type { Conversation } from '../wire/conversation.ts';
import { REPLY_TIMEOUT_MS } from '../wire/limits.ts';
import { HELLO, parseMessage, SenderMessage } from '../wire/messages.ts';

const TransferName = z.string().min(16).max(64);

/** What the first `hello` of each side says about further channels. */
const Invitation = z.object({
  /** Most channels that this side accepts for the transfer, the first one included. */
  stripes: z.int().min(1).max(16),
  /** The sender's name for the transfer. */
  transfer: TransferName.optional(),
});
type Invitation = z.infer<typeof Invitation>;

/** The `hello` on a further channel names the transfer that the channel joins. */
const Joining = z.object({ joins: TransferName });

/** Reads what a first `hello` says about further channels. Returns undefined if that side accepts none. */
export function readInvitation(hello: unknown): Invitation | undefined {
  return Invitation.safeParse(hello).data;
}

/** Names the transfer to the other side of a further channel. */
export async function joinTransfer(conversation: Conversation, transfer: string): Promise<void> {
  await conversation.sendMessage({ ...HELLO, joins: transfer });
}

/** Waits until the other side names the transfer too. Returns false if it names another one. */
export async function hasJoined(conversation: Conversation, transfer: string): Promise<boolean> {
  return joinedTransfer(await conversation.next()) === transfer;
}

/** Reads, as the first message of a further channel, which transfer it joins. Returns undefined if it names none. */
export async function readJoinedTransfer(channel: DataChannel): Promise<string | undefined> {
  const first = channel.messages[Symbol.asyncIterator]().next();
  const { done, value } = await within(first, { timeoutMs: REPLY_TIMEOUT_MS });
  return done === true ? undefined : joinedTransfer(value);
}

function joinedTransfer(text: string | Uint8Array): string | undefined {
  return typeof text === 'string' ? Joining.safeParse(parseMessage(SenderMessage, text)).data?.joins : undefined;
}
