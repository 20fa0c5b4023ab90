import { SleapRtcError } from '../../../protocol/errors.ts';
import { type FileEntry, FileList, foldedPath, totalBytes, unsafePathReason } from '../../../protocol/files.ts';
import { PARTIAL_FOLDER } from '../disk/partial-file.ts';

/** What a receiver accepts. */
export interface OfferTerms {
  /** Only exactly these files, with these sizes and hashes, are accepted. */
  expected?: readonly FileEntry[];
  /** An offer of more bytes in all is refused. */
  maxTotalBytes?: number;
}

/**
 * Checks a sender's whole offer, before anything is written.
 * @throws SleapRtcError PATH_UNSAFE, SOURCE_CHANGED (other content than expected), INTEGRITY (other files than expected),
 * NOT_ALLOWED (too many bytes)
 */
export function acceptOffer(offered: readonly FileEntry[], terms: OfferTerms): FileEntry[] {
  for (const { path } of offered) {
    const reason = unsafePathReason(path) ?? reservedReason(path);
    if (reason !== undefined) {
      throw new SleapRtcError(
        'PATH_UNSAFE',
        `The file name ${JSON.stringify(path.slice(0, 200))} is refused: ${reason}.`,
      );
    }
  }
  const files = FileList.safeParse(offered);
  if (!files.success) {
    throw new SleapRtcError('PATH_UNSAFE', `The offered files are refused: ${files.error.issues[0]?.message ?? ''}.`);
  }
  refuseFilesAsFolders(files.data);
  if (terms.expected !== undefined) compare(files.data, terms.expected);
  const total = totalBytes(files.data);
  if (total > (terms.maxTotalBytes ?? Number.POSITIVE_INFINITY)) {
    throw new SleapRtcError('NOT_ALLOWED', `${total} bytes are offered, but only ${terms.maxTotalBytes} are accepted.`);
  }
  return files.data;
}

function reservedReason(path: string): string | undefined {
  const [top] = foldedPath(path).split('/');
  return top === PARTIAL_FOLDER ? 'that folder is used for unfinished files' : undefined;
}

/** `a` and `a/b` cannot both be files. */
function refuseFilesAsFolders(files: readonly FileEntry[]): void {
  const names = new Set(files.map(({ path }) => foldedPath(path)));
  for (const { path } of files) {
    const parts = foldedPath(path).split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      if (!names.has(parts.slice(0, depth).join('/'))) continue;
      throw new SleapRtcError(
        'PATH_UNSAFE',
        `The file name ${path} is refused: one of its folders is itself offered as a file.`,
      );
    }
  }
}

function compare(files: readonly FileEntry[], expected: readonly FileEntry[]): void {
  const byPath = new Map(files.map((file) => [file.path, file]));
  for (const { path, size_bytes, sha256 } of expected) {
    const file = byPath.get(path);
    if (file === undefined) {
      throw new SleapRtcError('INTEGRITY', `${path} is expected, but the sender does not offer it.`);
    }
    if (file.size_bytes !== size_bytes || file.sha256 !== sha256) {
      throw new SleapRtcError(
        'SOURCE_CHANGED',
        `${path} is not the file that was promised: its content has changed since then.`,
      );
    }
    byPath.delete(path);
  }
  const [unexpected] = byPath.keys();
  if (unexpected !== undefined) throw new SleapRtcError('INTEGRITY', `${unexpected} is offered, but not expected.`);
}
