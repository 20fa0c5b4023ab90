import { randomBytes } from 'node:crypto';
import { mkdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileEntry } from '../../protocol/files.ts';
import type { SourceFile } from '../file-transfer/disk/describe-files.ts';
import { type ReceiveOptions, receiveFiles } from '../file-transfer/receive/receive-files.ts';
import { type SendOptions, sendFiles } from '../file-transfer/send/send-files.ts';
import { PIECE_HEADER_BYTES } from '../file-transfer/wire/limits.ts';
import { channelPair, type TestChannel } from './channel-pair.ts';

/** What to transfer, and how. */
export interface Transfer {
  files: SourceFile[];
  to: string;
  send?: SendOptions;
  receive?: ReceiveOptions;
  /** May change the channel. */
  arrange?: (sender: TestChannel, receiver: TestChannel) => void;
}

/** How a transfer ended on each side, what was sent, and what the receiver requested. */
export interface Transferred {
  codes: string[];
  errors: string[];
  sentBytes: number;
  hashesAsked: number;
  received: FileEntry[];
}

/** Transfers on a channel in memory. */
export async function transfer({ files, to, send, receive, arrange }: Transfer): Promise<Transferred> {
  const [sender, receiver] = channelPair();
  arrange?.(sender, receiver);
  const [sent, received] = await Promise.allSettled([
    sendFiles(sender, files, send),
    receiveFiles(receiver, to, receive),
  ]);
  const blocks = sender.sent.filter((message) => typeof message !== 'string' && message[0] === 1);
  const ends = [sent, received];
  return {
    codes: ends.map((end) => (end.status === 'rejected' ? String(end.reason.code ?? end.reason) : 'ok')),
    errors: ends.map((end) => (end.status === 'rejected' ? String(end.reason.message) : '')),
    sentBytes: blocks.reduce((sum, message) => sum + message.length - PIECE_HEADER_BYTES, 0),
    hashesAsked: receiver.sent.filter((message) => typeof message === 'string' && message.includes('"hashes"')).length,
    received: received.status === 'fulfilled' ? received.value : [],
  };
}

/** Writes a file that was last changed an hour ago, and returns its path. */
export async function writeOld(folder: string, path: string, content: Uint8Array | number): Promise<string> {
  const absolutePath = join(folder, path);
  await mkdir(dirname(absolutePath), { recursive: true });
  await writeFile(absolutePath, typeof content === 'number' ? randomBytes(content) : content);
  await age(absolutePath);
  return absolutePath;
}

/** Sets the time of a file's last change an hour back. */
export async function age(absolutePath: string): Promise<void> {
  const hourAgo = Date.now() / 1000 - 3600;
  await utimes(absolutePath, hourAgo, hourAgo);
}

/** Whether the files have arrived unchanged. */
export async function arrived(files: SourceFile[], to: string): Promise<boolean> {
  for (const { entry, absolutePath } of files) {
    if (!(await readFile(absolutePath)).equals(await readFile(join(to, entry.path)))) return false;
  }
  return true;
}
