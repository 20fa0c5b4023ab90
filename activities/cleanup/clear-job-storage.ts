import {
  DeleteObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { inParallel } from '../../storage/in-parallel.ts';
import { withStorageErrors } from '../../storage/storage-errors.ts';
import type { ClearJobStorageInput } from '../contract.ts';
import { claimKey, claimModel, ownerOf, releaseModel } from '../models/claim-model.ts';

const REQUESTS_AT_ONCE = 16;

/**
 * Removes from S3 what only a running job needs: its checkpoints, its data as far as no other job uses it, and models that it
 * did not come to publish, which would keep others from training them. What people may still want (results, logs, curves) stays. Done by the control worker, since the worker may be gone.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable); TRANSFER_FAILED (retryable) where another job begins to upload such a model
 */
export function createClearJobStorage({ s3, bucket }: { s3: S3Client; bucket: string }) {
  return function clearJobStorage({ room_id, job_id, dataset, unpublished = [] }: ClearJobStorageInput): Promise<void> {
    return withStorageErrors(async () => {
      await removeFolder(s3Layout.jobCheckpoints(room_id, job_id));
      for (const modelId of unpublished) {
        const where = { bucket, room: room_id, modelId };
        if ((await ownerOf(s3, where)) !== job_id) continue;
        // Claimed until all is gone: no other job's files come among these, and what was broken off is found again.
        await claimModel(s3, where, job_id);
        // First what says that the model is whole.
        await remove(s3Layout.modelFiles(room_id, modelId));
        await removeFolder(s3Layout.model(room_id, modelId), claimKey(where));
        await releaseModel(s3, where);
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

  async function removeFolder(prefix: string, except?: string): Promise<void> {
    for (let more = true; more; ) {
      const page = await list(prefix);
      const keys = (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined || Key === except ? [] : [Key]));
      await inParallel(keys, { limit: REQUESTS_AT_ONCE }, remove);
      more = page.IsTruncated === true && keys.length > 0;
    }
  }

  async function remove(Key: string): Promise<void> {
    await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }));
  }
}
