import type { TransferProgress } from '../../protocol/peer-messages.ts';
import type { DataChannel } from '../connection.ts';
import type { SourceFile } from './describe-files.ts';

/** Serves the blocks that the receiver asks for, until it says that it has all. */
export function sendFiles(
  _channel: DataChannel,
  _files: SourceFile[],
  _options: { signal?: AbortSignal; onProgress?: (progress: TransferProgress) => void } = {},
): Promise<void> {
  return Promise.resolve();
}
