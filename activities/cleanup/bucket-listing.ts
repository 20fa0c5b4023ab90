import { paginateListObjectsV2, type S3Client } from '@aws-sdk/client-s3';

/** What lies below a prefix of a bucket. */
export interface Listing {
  /** Whole keys. */
  keys: string[];
  /** With a delimiter: what follows the prefix up to it, without it; else empty. */
  folders: string[];
}

/** Lists all that lies below a prefix, however many pages that takes; with `folders`, only one level of it. */
export async function listBelow(
  s3: S3Client,
  { bucket, prefix, folders = false }: { bucket: string; prefix: string; folders?: boolean },
): Promise<Listing> {
  const found: Listing = { keys: [], folders: [] };
  const input = { Bucket: bucket, Prefix: prefix, ...(folders ? { Delimiter: '/' } : {}) };
  for await (const page of paginateListObjectsV2({ client: s3 }, input)) {
    for (const { Key = '' } of page.Contents ?? []) found.keys.push(Key);
    for (const { Prefix = '' } of page.CommonPrefixes ?? []) found.folders.push(Prefix.slice(prefix.length, -1));
  }
  return found;
}
