import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { ModelFiles } from '../../protocol/stored/stored-objects.ts';
import { type Bucket, readJson } from '../../storage/index.ts';

/** A model in the room bucket. */
export interface ModelPlace {
  bucket: Bucket;
  room: string;
  modelId: string;
}

/**
 * Reads a model's list of files from S3. Returns undefined if the room does not have the model, or not yet.
 * @throws DamagedObjectError
 */
export function readModelFiles(
  { bucket, room, modelId }: ModelPlace,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<ModelFiles | undefined> {
  return readJson(bucket, s3Layout.modelFiles(room, modelId), ModelFiles, options);
}
