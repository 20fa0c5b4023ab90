import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { type Bucket, inParallel } from '../../storage/index.ts';
import type { ClearJobStorageInput } from '../contract.ts';
import { claimModel, ownerOf, releaseModel } from '../models/claim-model.ts';

const REQUESTS_AT_ONCE = 16;

/**
 * Removes from S3 what only a running job needs: its checkpoints, its data unless another job uses it, and models that it did not
 * publish, which would prevent others from training them. Results, logs and curves stay. The control worker does this, since
 * the job's worker may be gone.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable); TRANSFER_FAILED (retryable) if another job begins to upload such a model
 */
export function createClearJobStorage({ bucket }: { bucket: Bucket }) {
  return async function clearJobStorage(input: ClearJobStorageInput): Promise<void> {
    const { room_id: room, job_id, dataset, unpublished = [] } = input;
    await bucket.removePrefix(s3Layout.jobCheckpoints(room, job_id));
    for (const modelId of unpublished) await removeModel(bucket, room, modelId, job_id);
    await inParallel([...new Set(dataset)], { limit: REQUESTS_AT_ONCE }, async (sha256) => {
      const users = s3Layout.datasetUsers(room, sha256);
      await bucket.remove(users + job_id);
      if ((await bucket.list(users, { limit: 1 })).length === 0) await bucket.remove(s3Layout.dataset(room, sha256));
    });
  };
}

/** Removes a model if its files are this job's. */
async function removeModel(bucket: Bucket, room: string, modelId: string, jobId: string): Promise<void> {
  const place = { bucket, room, modelId };
  if ((await ownerOf(place)) !== jobId) return;
  // The model stays claimed until it is removed: no other job uploads files to it, and an interrupted removal is continued.
  await claimModel(place, jobId);
  // The list of files is removed first: without it the model does not count as whole.
  await bucket.remove(s3Layout.modelFiles(room, modelId));
  await bucket.removePrefix(s3Layout.model(room, modelId), { except: s3Layout.modelClaim(room, modelId) });
  await releaseModel(place);
}
