/** Where things lie in the room bucket. The model part is the seed's; the rest is the design's. Keys, not URLs. */
export const s3Layout = {
  /** The room's model registry. */
  manifest: (room: string) => `${room}/manifest.json`,
  /** The folder of one model; ends with a slash. */
  model: (room: string, modelId: string) => `${room}/models/${modelId}/`,
  /** The list of a model's files with sizes and SHA-256s; written last, so its presence means the model is whole. */
  modelFiles: (room: string, modelId: string) => `${room}/models/${modelId}/files.json`,
  /** The folder of one job: logs, metrics, results; ends with a slash. */
  job: (room: string, jobId: string) => `${room}/jobs/${jobId}/`,
  /** The folder of what an inference job has predicted; ends with a slash. */
  jobResults: (room: string, jobId: string) => `${room}/jobs/${jobId}/results/`,
  /** The list of those files with sizes and SHA-256s; written last, so its presence means that they are all there. */
  jobResultFiles: (room: string, jobId: string) => `${room}/jobs/${jobId}/results.json`,
  /** A job's checkpoints while it runs; ends with a slash. */
  jobCheckpoints: (room: string, jobId: string) => `${room}/jobs/${jobId}/checkpoints/`,
  /** The training logs of a job's runs so far, `{run_index}.{run}.csv`: what its curves are read from; ends with a slash. */
  jobCurves: (room: string, jobId: string) => `${room}/jobs/${jobId}/curves/`,
  /** A file of a staged dataset, under its own hash. */
  dataset: (room: string, sha256: string) => `${room}/datasets/${sha256}`,
  /** One small object for each job that needs the file, by job id; the file goes when the last of them does. Ends with a slash. */
  datasetUsers: (room: string, sha256: string) => `${room}/datasets/users/${sha256}/`,
};

/** An `s3://` URL, as the manifest names places. */
export function s3Url(bucket: string, key: string): string {
  return `s3://${bucket}/${key}`;
}
