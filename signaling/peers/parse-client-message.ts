import { SleapRtcError } from '../../protocol/errors.ts';
import { ClientMessage, MAX_MESSAGE_BYTES } from '../../protocol/wire/signaling.ts';

/** A parsed message, or the error. Both have the request's id, so that the reply can name it. */
export type ParsedMessage = { message: ClientMessage } | { error: SleapRtcError; requestId: string | undefined };

/** Parses one WebSocket message of any kind. Never throws. */
export function parseClientMessage(data: unknown, isBinary: boolean): ParsedMessage {
  const text = typeof data === 'string' ? data : !isBinary && Buffer.isBuffer(data) ? data.toString('utf8') : undefined;
  if (text === undefined) return refused('Messages are JSON text; this one is binary.');
  if (Buffer.byteLength(text) > MAX_MESSAGE_BYTES) {
    const error = new SleapRtcError('MESSAGE_TOO_LARGE', `A message has at most ${MAX_MESSAGE_BYTES} bytes.`);
    return { error, requestId: undefined };
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return refused('The message is not JSON.');
  }
  const parsed = ClientMessage.safeParse(value);
  if (parsed.success) return { message: parsed.data };
  const issue = parsed.error.issues[0];
  return refused(`${issue?.path.join('.') || 'message'}: ${issue?.message ?? 'not understood'}`, requestIdOf(value));
}

function refused(message: string, requestId?: string): ParsedMessage {
  return { error: new SleapRtcError('MESSAGE_INVALID', message.slice(0, 500)), requestId };
}

function requestIdOf(value: unknown): string | undefined {
  if (value === null || typeof value !== 'object' || !('request_id' in value)) return undefined;
  const { request_id: id } = value;
  return typeof id === 'string' && id.length <= 64 ? id : undefined;
}
