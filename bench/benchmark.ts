/** One line of output; every value is a number, a string or null. */
export type Row = { name: string } & Record<string, number | string | null>;

/** What a benchmark gets: how often to repeat, and the callbacks for its rows and its progress. */
export interface BenchmarkContext {
  runs: number;
  /** Rows whose name does not match are left out, if the benchmark has several. */
  only: RegExp;
  row: (row: Row) => void;
  /** Prints a line of progress. */
  say: (line: string) => void;
}
