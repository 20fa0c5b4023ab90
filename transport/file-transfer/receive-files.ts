import type { FileEntry } from '../../protocol/files.ts';
import type { TransferProgress } from '../../protocol/peer-messages.ts';
import type { DataChannel } from '../connection.ts';

/** What a receiver insists on. */
export interface ReceiveOptions {
  /** Exactly these files, with these sizes and hashes, are accepted. Absent: whatever is offered. */
  expected?: FileEntry[];
  /** Refuse offers of more than this many bytes in all. */
  maxTotalBytes?: number;
  signal?: AbortSignal;
  onProgress?: (progress: TransferProgress) => void;
}

/** Pulls the offered files into `folder` and returns their entries; what an earlier attempt left there is used. */
export function receiveFiles(
  _channel: DataChannel,
  _folder: string,
  _options: ReceiveOptions = {},
): Promise<FileEntry[]> {
  return Promise.resolve([]);
}
