/** One line of output; every value is a number, a string or null. */
export type Row = { name: string } & Record<string, number | string | null>;

/** What a benchmark is given: how often to repeat, and where rows go as they come. */
export interface BenchmarkContext {
  runs: number;
  /** Rows whose name this does not match are left out, where the benchmark has many. */
  only: RegExp;
  row: (row: Row) => void;
  /** For people who wait. */
  say: (line: string) => void;
}
