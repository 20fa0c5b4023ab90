import { GetObjectCommand, NoSuchKey, type S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { FileList } from '../../protocol/files.ts';
import { JobId, ModelId } from '../../protocol/ids.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { abortOption } from '../../storage/abort-option.ts';

/** A model's `files.json`: written last, so its presence means that the model is whole. */
export const ModelFiles = z.object({ job_id: JobId, model_id: ModelId, files: FileList });
export type ModelFiles = z.infer<typeof ModelFiles>;

/**
 * Reads a model's list of files from S3; undefined where the room has no such model (yet).
 * @throws SleapRtcError INTERNAL where it is not what we write; errors of S3 pass
 */
export async function readModelFiles(
  s3: S3Client,
  where: { bucket: string; room: string; modelId: string },
  signal?: AbortSignal,
): Promise<ModelFiles | undefined> {
  const Key = s3Layout.modelFiles(where.room, where.modelId);
  let text: string | undefined;
  try {
    const reply = await s3.send(new GetObjectCommand({ Bucket: where.bucket, Key }), abortOption(signal));
    text = await reply.Body?.transformToString();
  } catch (error) {
    if (error instanceof NoSuchKey) return undefined;
    throw error;
  }
  try {
    return ModelFiles.parse(JSON.parse(text ?? ''));
  } catch (cause) {
    throw new SleapRtcError('INTERNAL', `The file list of model ${where.modelId} is damaged.`, { cause });
  }
}
