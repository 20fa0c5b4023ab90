/** The public interface of storage/: all that talks to S3. */
export { Bucket, type ListedObject } from './bucket.ts';
export { copyFile } from './copy-file.ts';
export { diskFullOrWithSizes } from './disk-full.ts';
export { fetchFile } from './fetch-file.ts';
export { inParallel } from './in-parallel.ts';
export { readJson, readVersion, updateJson, writeJson } from './json-objects.ts';
export { putFile } from './put-file.ts';
export { createS3Client, type S3Client } from './s3-client.ts';
export { DamagedObjectError } from './storage-errors.ts';
export { waitForStorage } from './wait-for-storage.ts';
