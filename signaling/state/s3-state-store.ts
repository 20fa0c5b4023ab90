import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { isMissing } from '../models/s3-faults.ts';
import { SignalingState, type StateStore } from './state-store.ts';

const STATE_KEY = 'signaling/state.json';

/** Keeps the state as one object of the state bucket. */
export function createS3StateStore(s3: S3Client, bucket: string): StateStore {
  return {
    async load() {
      try {
        const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: STATE_KEY }));
        return SignalingState.parse(JSON.parse((await Body?.transformToString()) ?? ''));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    async save(state) {
      const Body = JSON.stringify(state);
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: STATE_KEY, Body, ContentType: 'application/json' }));
    },
  };
}
