import {
  DeleteObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { s3Layout } from '../../protocol/s3-layout.ts';
import type { ClearJobStorageInput } from '../contract.ts';
import { inParallel } from '../storage/in-parallel.ts';
import { withStorageErrors } from '../storage/storage-errors.ts';

const REQUESTS_AT_ONCE = 16;

/**
 * Removes from S3 what only a running job needs: its checkpoints, and its data, as far as no other job uses it. What people
 * may still want (results, logs, curves) stays. Done by the control worker, since the pod may be gone.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable)
 */
export function createClearJobStorage({ s3, bucket }: { s3: S3Client; bucket: string }) {
  return function clearJobStorage({ room_id, job_id, dataset }: ClearJobStorageInput): Promise<void> {
    return withStorageErrors(async () => {
      for (let more = true; more; ) {
        const page = await list(s3Layout.jobCheckpoints(room_id, job_id));
        const keys = (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
        await inParallel(keys, { limit: REQUESTS_AT_ONCE }, remove);
        more = page.IsTruncated === true && keys.length > 0;
      }
      await inParallel([...new Set(dataset)], { limit: REQUESTS_AT_ONCE }, async (sha256) => {
        const users = s3Layout.datasetUsers(room_id, sha256);
        await remove(users + job_id);
        if (((await list(users, 1)).Contents ?? []).length === 0) await remove(s3Layout.dataset(room_id, sha256));
      });
    });
  };

  function list(Prefix: string, MaxKeys?: number): Promise<ListObjectsV2CommandOutput> {
    return s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix, ...(MaxKeys ? { MaxKeys } : {}) }));
  }

  async function remove(Key: string): Promise<void> {
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  }
}
