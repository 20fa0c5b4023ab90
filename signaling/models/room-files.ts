import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { z } from 'zod';
import type { ModelFilesReply } from '../../protocol/api.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { FileList } from '../../protocol/files.ts';
import { JobId, ModelId } from '../../protocol/ids.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { isMissing, isNotModified, reachingStorage } from './s3-faults.ts';

/** How long a download link works. */
export const LINK_LIFETIME_MS = 15 * 60 * 1000;

/** `files.json` of a model: written last, so its presence means that the model is whole. */
const ModelFiles = z.object({ job_id: JobId, model_id: ModelId, files: FileList });

/** A room's manifest as it lies in storage. */
export type StoredManifest =
  | { state: 'none' }
  | { state: 'unchanged' }
  | { state: 'found'; etag: string | undefined; body: Uint8Array };

/** Reads what a room has in S3. All methods reject with STORAGE_UNREACHABLE when it is away. */
export interface RoomFiles {
  /** @param ifNoneMatch the ETag that the asker has */
  manifest(roomId: string, ifNoneMatch?: string): Promise<StoredManifest>;
  /** A model's files with links that work for some minutes. Rejects with MODEL_NOT_FOUND. */
  modelFiles(roomId: string, modelId: string): Promise<ModelFilesReply>;
}

/** Reads from the room bucket. */
export function createS3RoomFiles(s3: S3Client, bucket: string): RoomFiles {
  const link = (key: string) =>
    getSignedUrl(s3, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: LINK_LIFETIME_MS / 1000 });

  return {
    async manifest(roomId, ifNoneMatch) {
      return reachingStorage(async () => {
        try {
          const command = new GetObjectCommand({
            Bucket: bucket,
            Key: s3Layout.manifest(roomId),
            ...(ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch }),
          });
          const { Body, ETag } = await s3.send(command);
          return { state: 'found', etag: ETag, body: (await Body?.transformToByteArray()) ?? new Uint8Array() };
        } catch (error) {
          if (isMissing(error)) return { state: 'none' };
          if (isNotModified(error)) return { state: 'unchanged' };
          throw error;
        }
      });
    },
    async modelFiles(roomId, modelId) {
      return reachingStorage(async () => {
        const { files } = await readModelFiles(s3, bucket, roomId, modelId);
        const folder = s3Layout.model(roomId, modelId);
        return {
          files: await Promise.all(files.map(async (file) => ({ ...file, url: await link(folder + file.path) }))),
        };
      });
    },
  };
}

async function readModelFiles(s3: S3Client, bucket: string, roomId: string, modelId: string) {
  try {
    const key = s3Layout.modelFiles(roomId, modelId);
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return ModelFiles.parse(JSON.parse((await Body?.transformToString()) ?? ''));
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new SleapRtcError('MODEL_NOT_FOUND', `The room ${roomId} has no model ${modelId}.`);
  }
}
