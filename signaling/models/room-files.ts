import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { z } from 'zod';
import type { ModelFilesReply, ResultFilesReply } from '../../protocol/api.ts';
import { SleapRtcError } from '../../protocol/errors.ts';
import { type FileEntry, FileList } from '../../protocol/files.ts';
import { JobId, ModelId } from '../../protocol/ids.ts';
import { s3Layout } from '../../protocol/s3-layout.ts';
import { isMissing, isNotModified, reachingStorage } from './s3-faults.ts';

/** How long a download link works. */
export const LINK_LIFETIME_MS = 15 * 60 * 1000;

/** `files.json` of a model: written last, so its presence means that the model is whole. */
const ModelFiles = z.object({ job_id: JobId, model_id: ModelId, files: FileList });
/** `results.json` of an inference job: written last as well. */
const ResultFiles = z.object({ job_id: JobId, files: FileList });

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
  /** The same for what an inference job has predicted. Rejects with JOB_NOT_FOUND where that is not there (yet). */
  jobResults(roomId: string, jobId: string): Promise<ResultFilesReply>;
}

/** Reads from the room bucket. */
export function createS3RoomFiles(s3: S3Client, bucket: string): RoomFiles {
  const link = (key: string) =>
    getSignedUrl(s3, new GetObjectCommand({ Bucket: bucket, Key: key }), { expiresIn: LINK_LIFETIME_MS / 1000 });

  /** Reads a list of files and makes a link to each. @throws `none` where there is no list */
  const links = (
    list: z.ZodType<{ files: FileEntry[] }>,
    listKey: string,
    folder: string,
    none: SleapRtcError,
  ): Promise<ModelFilesReply | ResultFilesReply> =>
    reachingStorage(async () => {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: listKey }));
        const { files } = list.parse(JSON.parse((await Body?.transformToString()) ?? ''));
        return {
          files: await Promise.all(files.map(async (file) => ({ ...file, url: await link(folder + file.path) }))),
        };
      } catch (error) {
        throw isMissing(error) ? none : error;
      }
    });

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
      const none = new SleapRtcError('MODEL_NOT_FOUND', `The room ${roomId} has no model ${modelId}.`);
      return links(ModelFiles, s3Layout.modelFiles(roomId, modelId), s3Layout.model(roomId, modelId), none);
    },
    async jobResults(roomId, jobId) {
      const none = new SleapRtcError('JOB_NOT_FOUND', `There are no predictions of job ${jobId} (yet).`);
      return links(ResultFiles, s3Layout.jobResultFiles(roomId, jobId), s3Layout.jobResults(roomId, jobId), none);
    },
  };
}
