/** The only directions in which the folders may import each other (see docs/decisions and the READMEs). Test files may use the stack. */
const production = (folder) => ({ path: `^${folder}/`, pathNot: '\\.test\\.ts$|/testing/' });

/** A rule that lets `folder` import itself, packages, and the `allowed` folders only. */
function only(folder, allowed) {
  return {
    name: `${folder}-imports`,
    comment: `${folder} may import only: ${allowed.join(', ') || 'nothing of ours'}`,
    severity: 'error',
    from: production(folder),
    to: {
      path: '^(protocol|transport|workflows|activities|workers|signaling|cli|dashboard|stack|test|bench)/',
      pathNot: `^(${[folder, ...allowed].join('|')})/`,
    },
  };
}

module.exports = {
  forbidden: [
    only('protocol', []),
    only('transport', ['protocol']),
    only('workflows', ['protocol', 'activities']),
    only('activities', ['protocol', 'transport']),
    only('workers', ['activities', 'workflows', 'protocol', 'transport']),
    only('signaling', ['protocol']),
    only('cli', ['protocol', 'transport']),
    only('dashboard', ['protocol']),
    {
      name: 'workflows-only-types-of-activities',
      comment: 'workflow code is deterministic: of activities it may import types only',
      severity: 'error',
      from: production('workflows'),
      to: { path: '^activities/', dependencyTypesNot: ['type-only'] },
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
