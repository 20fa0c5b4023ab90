import assert from 'node:assert/strict';
import { folderCycles } from './folder-cycles.ts';

describe('the check of imports finds', () => {
  it('two folders that import each other, wherever below them the files are', () => {
    const cycle = [
      { from: 'a/x/deep/one.ts', to: 'a/y/two.ts' },
      { from: 'a/y/deep/three.ts', to: 'a/x/four.ts' },
    ];
    const others = [
      { from: 'a/x/one.ts', to: 'b/z/one.ts' },
      { from: 'a/x/one.ts', to: 'a/x/deep/one.ts' },
      { from: 'a/one.ts', to: 'a/x/one.ts' },
    ];
    assert.deepEqual(folderCycles([...others, ...cycle]), [{ parent: 'a', imports: cycle }]);
  });

  it('folders that import each other through a third one', () => {
    const cycle = [
      { from: 'a/one.ts', to: 'b/two.ts' },
      { from: 'b/two.ts', to: 'c/three.ts' },
      { from: 'c/four.ts', to: 'a/five.ts' },
    ];
    assert.deepEqual(folderCycles(cycle), [{ parent: '', imports: cycle }]);
  });

  it('a folder whose own files and whose sub-folder import each other', () => {
    const cycle = [
      { from: 'a/one.ts', to: 'a/x/two.ts' },
      { from: 'a/x/two.ts', to: 'a/three.ts' },
    ];
    assert.deepEqual(folderCycles(cycle), [{ parent: 'a', imports: cycle }]);
  });

  it('nothing if all imports go one way, or if an index.ts exports from its folders', () => {
    const imports = [
      { from: 'a/x/one.ts', to: 'a/y/two.ts' },
      { from: 'a/x/one.ts', to: 'a/z/two.ts' },
      { from: 'a/y/one.ts', to: 'a/z/two.ts' },
      { from: 'a/index.ts', to: 'a/x/one.ts' },
      { from: 'a/x/one.ts', to: 'a/limits.ts' },
    ];
    assert.deepEqual(folderCycles(imports), []);
  });
});
