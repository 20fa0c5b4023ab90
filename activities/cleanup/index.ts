/** Removes what ended jobs have left in S3. */
export { createClearJobStorage } from './clear-job-storage.ts';
export { type JobFate, sweepStorage } from './sweep-storage.ts';
