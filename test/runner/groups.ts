/** Test files that one mocha process runs one after the other. */
export interface TestGroup {
  name: string;
  /** Of its files; paths start at the repository's root. */
  patterns: readonly string[];
}

/**
 * The mocha processes of `npm test`, longest first. Tests with the same set-up are together, so that they share it: the stack,
 * the bundle of the workflows. A file belongs to the first group that matches.
 */
export const GROUPS: readonly TestGroup[] = [
  { name: 'end to end', patterns: ['test/e2e/**'] },
  { name: 'faults', patterns: ['test/faults/**'] },
  { name: 'sleap-nn, stack', patterns: ['**/*.e2e.test.ts', 'stack/**'] },
  { name: 'workflows', patterns: ['workflows/**', 'test/workflows/**', 'workers/control/**'] },
  { name: 'transport', patterns: ['transport/**', 'test/interop/**', 'test/paths/**'] },
  { name: 'cli', patterns: ['cli/**'] },
  { name: 'the rest', patterns: ['**'] },
];
