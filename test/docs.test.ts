import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { COMMANDS } from '../cli/commands/index.ts';

const ROOT = join(import.meta.dirname, '..');
const FOLDERS = readdirSync(ROOT).filter((name) => !name.startsWith('.') && name !== 'node_modules');
const PAGES = globSync(['*.md', '*/*.md', '*/*/*.md'], { cwd: ROOT, exclude: ['node_modules', 'CHANGELOG.md'] });
/** Flags of other programs on the pages for researchers. */
const FOREIGN_FLAGS = ['--global', '--keep'];

// Otherwise a newcomer would look for files, flags and codes that do not exist any more.
describe('the docs mention only', () => {
  it('files and folders that exist', () => {
    const names = new Set(
      globSync('*/**/*.{ts,py,sh}', { cwd: ROOT, exclude: ['node_modules'] }).map((path) => basename(path)),
    );
    const exists = (path: string) => names.has(path) || isThere(path);
    const missing = PAGES.flatMap((page) =>
      [...codeSpans(page).filter(isOurPath), ...diagramPaths(page), ...links(page)]
        .filter((path) => !exists(path))
        .map((path) => `${page}: ${path}`),
    );
    assert.deepEqual(missing, []);
  });

  it('names in capitals that the code has: settings, error codes, constants', () => {
    const code = sources();
    const unknown = PAGES.flatMap((page) =>
      [...textOf(page).matchAll(/\b[A-Z]{2,}(?:_[A-Z0-9]+)+\b/g)]
        .filter(([name]) => !code.includes(name))
        .map(([name]) => `${page}: ${name}`),
    );
    assert.deepEqual(unknown, []);
  });

  it('flags that the CLI has', () => {
    const flags = new Set(
      Object.values(COMMANDS).flatMap((command) => Object.keys({ ...command.baseFlags, ...command.flags })),
    );
    const known = (flag: string) =>
      flag === '--json' || flags.has(flag.slice(2)) || flags.has(flag.slice('--no-'.length));
    const unknown = ['README.md', 'docs/researchers.md', 'docs/glossary.md', 'cli/README.md'].flatMap((page) =>
      [...textOf(page).matchAll(/(?<=[`\s])--[a-z][a-z-]+/g)]
        .filter(([flag]) => !known(flag) && !FOREIGN_FLAGS.includes(flag))
        .map(([flag]) => `${page}: ${flag}`),
    );
    assert.deepEqual(unknown, []);
  });

  it('identifiers of the glossary that the code has', () => {
    const code = sources();
    const unknown = textOf('docs/glossary.md')
      .split('\n')
      .filter((line) => line.startsWith('| **'))
      .flatMap((line) => [...(line.split('|')[3] ?? '').matchAll(/`([A-Za-z_]+)`/g)].map(([, name = '']) => name))
      .filter((name) => !code.includes(name));
    assert.deepEqual(unknown, []);
  });
});

function textOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** The texts in backticks outside of code blocks. */
function codeSpans(page: string): string[] {
  const text = textOf(page).replaceAll(/```[\s\S]*?```/g, '');
  return [...text.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
}

/** Targets of links to files, as paths from the root. */
function links(page: string): string[] {
  return [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = '']) => join(dirname(page), target));
}

/** True for a path from the root, and for the name of a file. */
function isOurPath(span: string): boolean {
  if (/^[\w-]+\.(ts|py|sh)$/.test(span)) return true;
  return /^[\w.@*{},/-]+$/.test(span) && FOLDERS.some((folder) => span.startsWith(`${folder}/`));
}

/** Paths on the arrows of diagrams. */
function diagramPaths(page: string): string[] {
  const diagrams = [...textOf(page).matchAll(/```mermaid[\s\S]*?```/g)].join('\n');
  return [...diagrams.matchAll(/[a-z-]+\/[\w./*-]+/g)].map(([path]) => path).filter(isOurPath);
}

function isThere(path: string): boolean {
  return globSync(path.replace(/\/$/, ''), { cwd: ROOT }).length > 0;
}

/** Everything except prose. */
function sources(): string {
  const files = globSync(
    [
      '*',
      '.ci/*',
      '{protocol,storage,transport,workflows,activities,workers,signaling,cli,dashboard,stack,deploy,test}/**/*',
    ],
    {
      cwd: ROOT,
      exclude: (path) => path.endsWith('.md') || path.includes('node_modules') || path.includes('histories'),
    },
  );
  return files
    .map((file) => join(ROOT, file))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');
}
