/** What the reader of the page can do. */
export interface Actions {
  leave: () => void;
  toggleJob: (jobId: string) => void;
  toggleFiles: (modelId: string) => void;
}
