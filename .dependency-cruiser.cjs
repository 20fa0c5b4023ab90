/** The only directions in which the folders may import each other. That no two of their sub-folders do, test/structure checks. */
const FOLDERS = [
  'protocol',
  'storage',
  'labels',
  'transport',
  'workflows',
  'activities',
  'workers',
  'signaling',
  'cli',
  'dashboard',
  'stack',
  'test',
  'bench',
];
const TEST_FILE = '\\.test\\.ts$|/testing/';

/** The files of `folder` that are no tests beside the code; tests may import whatever they test with. */
const production = (folder) => ({ path: `^${folder}/`, pathNot: TEST_FILE });

/** A rule that lets `folder` import itself, packages, and the `allowed` folders only. */
function only(folder, allowed) {
  return {
    name: `${folder}-imports`,
    comment: `${folder} may import only: ${allowed.join(', ') || 'nothing of ours'}`,
    severity: 'error',
    from: production(folder),
    to: {
      path: `^(${FOLDERS.join('|')})/`,
      pathNot: `^(${[folder, ...allowed].join('|')})/`,
    },
  };
}

module.exports = {
  forbidden: [
    only('protocol', []),
    only('storage', ['protocol']),
    only('labels', ['protocol']),
    only('transport', ['protocol']),
    only('workflows', ['protocol', 'activities']),
    only('activities', ['protocol', 'storage', 'labels', 'transport']),
    only('workers', ['activities', 'workflows', 'protocol', 'storage', 'transport']),
    only('signaling', ['protocol', 'storage']),
    only('cli', ['protocol', 'labels', 'transport']),
    only('dashboard', ['protocol']),
    only('stack', ['protocol', 'storage']),
    only('bench', ['protocol', 'storage', 'transport', 'stack', 'test']),
    {
      name: 'workflows-only-types-of-activities',
      comment: 'workflow code is deterministic: of activities it may import types only',
      severity: 'error',
      from: production('workflows'),
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'production-imports-no-tests',
      comment: 'what researchers and labs run may not import tests or what only they use',
      severity: 'error',
      from: { path: `^(${FOLDERS.join('|')})/`, pathNot: `^(test|bench)/|${TEST_FILE}` },
      to: { path: TEST_FILE },
    },
    {
      name: 'only-storage-knows-s3',
      comment: 'everything else uses storage/; stack/servers/s3.test.ts tests the S3 server itself',
      severity: 'error',
      from: { pathNot: '^storage/|^stack/servers/s3\\.test\\.ts$' },
      to: { path: '@aws-sdk/(client-s3|lib-storage|s3-request-presigner)' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
