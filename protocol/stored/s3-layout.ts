/** The keys of the room bucket (`stored-objects.ts` has the schemas). The seed defines those of models and the manifest. */
export const s3Layout = {
  /** Who owns the room's name, and its token's hash. */
  room: (room: string) => `${room}/room.json`,
  /** The room's model registry. */
  manifest: (room: string) => `${room}/manifest.json`,
  /** The folder of one model; ends with a slash. */
  model: (room: string, modelId: string) => `${room}/models/${modelId}/`,
  /** The list of a model's files with sizes and SHA-256s; written last, so its presence means the model is whole. */
  modelFiles: (room: string, modelId: string) => `${room}/models/${modelId}/files.json`,
  /** Which job is uploading a model. */
  modelClaim: (room: string, modelId: string) => `${room}/models/${modelId}/claim.json`,
  /** The folder of one job: logs, metrics, results; ends with a slash. */
  job: (room: string, jobId: string) => `${room}/jobs/${jobId}/`,
  /** The folder of an inference job's predictions; ends with a slash. */
  jobResults: (room: string, jobId: string) => `${room}/jobs/${jobId}/results/`,
  /** The list of those files with sizes and SHA-256s; written last, so its presence means that they are all there. */
  jobResultFiles: (room: string, jobId: string) => `${room}/jobs/${jobId}/results.json`,
  /** The folder of a job's logs; ends with a slash. */
  jobLogs: (room: string, jobId: string) => `${room}/jobs/${jobId}/logs/`,
  /** A job's checkpoints while it runs; ends with a slash. */
  jobCheckpoints: (room: string, jobId: string) => `${room}/jobs/${jobId}/checkpoints/`,
  /** The list of a run's checkpoints; written when all the files are there that it names. */
  latestCheckpoints: (room: string, jobId: string, runIndex: number) =>
    `${room}/jobs/${jobId}/checkpoints/run-${runIndex}/latest.json`,
  /** A file of a run's checkpoints or of its finished model, under its own hash. */
  checkpointFile: (room: string, jobId: string, runIndex: number, sha256: string) =>
    `${room}/jobs/${jobId}/checkpoints/run-${runIndex}/${sha256}`,
  /** The training logs of a job's runs so far, `{run_index}.{run}.csv`, from which its curves are read; ends with a slash. */
  jobCurves: (room: string, jobId: string) => `${room}/jobs/${jobId}/curves/`,
  /** A file of a staged dataset, under its own hash. */
  dataset: (room: string, sha256: string) => `${room}/datasets/${sha256}`,
  /** One small object for each job that needs the file, by job id; the file is removed with the last of these objects. Ends with a slash. */
  datasetUsers: (room: string, sha256: string) => `${room}/datasets/users/${sha256}/`,
};

/** An `s3://` URL, as the manifest names places. */
export function s3Url(bucket: string, key: string): string {
  return `s3://${bucket}/${key}`;
}
