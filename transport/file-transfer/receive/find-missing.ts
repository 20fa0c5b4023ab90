import { join } from 'node:path';
import type { FileEntry } from '../../../protocol/files.ts';
import { allocatedBytes, checkFreeSpace, lookAt } from '../disk/destination.ts';
import type { LocalBlocks } from '../disk/local-blocks.ts';
import { partialPath } from '../disk/partial-file.ts';
import type { Conversation } from '../wire/conversation.ts';
import type { ProgressMeter } from '../wire/progress-meter.ts';

/** A file that is to be received. */
export interface MissingFile {
  /** Its index in the offer. */
  index: number;
  entry: FileEntry;
}

/** What a look at the destination needs. */
interface Look {
  root: string;
  localBlocks: LocalBlocks;
  meter: ProgressMeter;
  conversation: Conversation;
}

/**
 * Finds the files that are not in the destination yet. A file whose content is there under another name gets its own name too.
 * Throws before anything is written if a file may not be written, or if the disk has no room for what is missing.
 * @returns `twins`: those with the same content as a file in `missing`
 * @throws SleapRtcError PATH_UNSAFE, DISK_FULL
 */
export async function findMissing(
  files: readonly FileEntry[],
  look: Look,
): Promise<{ missing: MissingFile[]; twins: MissingFile[] }> {
  const { root, localBlocks, meter, conversation } = look;
  const missing = new Map<string, MissingFile>();
  const twins: MissingFile[] = [];
  for (const file of await findAbsent(files, look)) {
    conversation.throwIfAborted();
    const { entry } = file;
    if (await localBlocks.place(root, entry)) meter.had(entry.size_bytes);
    else if (missing.has(entry.sha256)) twins.push(file);
    else missing.set(entry.sha256, file);
  }
  return { missing: [...missing.values()], twins };
}

/** Finds the files that are not there under their names, and checks that the disk has room for them. */
async function findAbsent(
  files: readonly FileEntry[],
  { root, localBlocks, meter, conversation }: Look,
): Promise<MissingFile[]> {
  const found = new Map<FileEntry, { sizeBytes: number } | 'absent'>();
  for (const entry of files) found.set(entry, await lookAt(root, entry.path));
  const absent: MissingFile[] = [];
  let neededBytes = 0;
  for (const [index, entry] of files.entries()) {
    conversation.throwIfAborted();
    const local = found.get(entry) === 'absent' ? undefined : await localBlocks.describe(join(root, entry.path));
    if (local?.sha256 === entry.sha256) {
      meter.had(entry.size_bytes);
      continue;
    }
    absent.push({ index, entry });
    if (await localBlocks.canLink(entry)) continue;
    neededBytes += Math.max(0, entry.size_bytes - (await allocatedBytes(partialPath(root, entry))));
  }
  await checkFreeSpace(root, neededBytes);
  return absent;
}
