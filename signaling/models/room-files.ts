import { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import { RoomId } from '../../protocol/ids.ts';
import { s3Layout } from '../../protocol/stored/s3-layout.ts';
import { ModelFiles, ResultFiles } from '../../protocol/stored/stored-objects.ts';
import type { ModelFilesReply, ResultFilesReply } from '../../protocol/wire/api.ts';
import { type Bucket, readJson } from '../../storage/index.ts';

/** How long a download link works. */
export const LINK_LIFETIME_MS = 15 * 60 * 1000;

/** A room's manifest as it is in storage. */
export type StoredManifest =
  | { state: 'none' }
  | { state: 'unchanged' }
  | { state: 'found'; etag: string | undefined; body: Uint8Array };

/** What a room has in S3. @throws SleapRtcError STORAGE_UNREACHABLE; each method */
export interface RoomFiles {
  /** @param knownEtag the ETag of the manifest that the caller has */
  manifest(roomId: string, knownEtag?: string): Promise<StoredManifest>;
  /** A model's files, with links that work for some minutes. Rejects with MODEL_NOT_FOUND. */
  modelFiles(roomId: string, modelId: string): Promise<ModelFilesReply>;
  /** The same for an inference job's predictions. Rejects with JOB_NOT_FOUND if there are none (yet). */
  jobResults(roomId: string, jobId: string): Promise<ResultFilesReply>;
  /** Removes everything of a room but its record: models, manifest, and what its jobs have left. */
  removeRoom(roomId: string): Promise<void>;
}

/** Works in the room bucket. */
export function createS3RoomFiles(bucket: Bucket): RoomFiles {
  const withLinks = async (files: readonly FileEntry[], folder: string) => {
    const link = async (file: FileEntry) => ({ ...file, url: await bucket.link(folder + file.path, LINK_LIFETIME_MS) });
    return { files: await Promise.all(files.map(link)) };
  };
  return {
    async manifest(roomId, knownEtag) {
      const key = s3Layout.manifest(roomId);
      const object = knownEtag === undefined ? await bucket.get(key) : await bucket.getIfChanged(key, knownEtag);
      if (object === undefined) return { state: 'none' };
      if (object === 'unchanged') return { state: 'unchanged' };
      return { state: 'found', etag: object.etag, body: await object.bytes() };
    },
    async modelFiles(roomId, modelId) {
      const list = await readJson(bucket, s3Layout.modelFiles(roomId, modelId), ModelFiles);
      if (list !== undefined) return withLinks(list.files, s3Layout.model(roomId, modelId));
      throw new SleapRtcError('MODEL_NOT_FOUND', `The room ${roomId} has no model ${modelId}.`);
    },
    async removeRoom(roomId) {
      await bucket.removePrefix(`${RoomId.parse(roomId)}/`, { except: s3Layout.room(roomId) });
    },
    async jobResults(roomId, jobId) {
      const list = await readJson(bucket, s3Layout.jobResultFiles(roomId, jobId), ResultFiles);
      if (list !== undefined) return withLinks(list.files, s3Layout.jobResults(roomId, jobId));
      throw new SleapRtcError('JOB_NOT_FOUND', `There are no predictions of job ${jobId} (yet).`);
    },
  };
}
