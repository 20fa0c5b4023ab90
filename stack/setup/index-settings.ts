import { stat } from 'node:fs/promises';
import { execa } from 'execa';

/** uv's names for pip's settings. Lists are joined with `separator`. */
const UV_NAMES: Record<string, { name: string; separator?: string }> = {
  'index-url': { name: 'UV_DEFAULT_INDEX' },
  'extra-index-url': { name: 'UV_INDEX', separator: ' ' },
  'find-links': { name: 'UV_FIND_LINKS', separator: ',' },
  'trusted-host': { name: 'UV_INSECURE_HOST', separator: ' ' },
  'no-index': { name: 'UV_NO_INDEX' },
  'default-timeout': { name: 'UV_HTTP_TIMEOUT' },
  timeout: { name: 'UV_HTTP_TIMEOUT' },
  cert: { name: 'SSL_CERT_FILE' },
  'client-cert': { name: 'SSL_CLIENT_CERT' },
  proxy: { name: 'ALL_PROXY' },
};

/**
 * The environment with which uv downloads from the same place as this machine's pip: uv does not read pip's configuration.
 * The user's own settings for uv are not changed.
 * @param python one that has pip; pip itself merges its files and its environment variables
 */
export async function uvEnvironment(python: string): Promise<Record<string, string>> {
  const { stdout } = await execa(python, ['-m', 'pip', 'config', 'list'], { reject: false });
  const environment: Record<string, string> = {
    UV_PYTHON_DOWNLOADS: 'never',
    UV_NO_PROGRESS: '1',
    // Like pip, take each file from any index that has it. That is safe, because every file is pinned by its hash.
    UV_INDEX_STRATEGY: 'unsafe-best-match',
  };
  for (const [key, values] of parsePipConfig(stdout)) {
    const uv = UV_NAMES[key];
    if (uv === undefined) continue;
    const used = key === 'find-links' ? await existing(values) : values;
    if (used.length > 0) environment[uv.name] = uv.separator ? used.join(uv.separator) : (used[0] ?? '');
  }
  return Object.fromEntries(Object.entries(environment).filter(([name]) => process.env[name] === undefined));
}

/**
 * Reads `pip config list`: lines like `global.index-url='URL'`, `:env:.cert='FILE'`, The environment overrides the
 * `install` section, and that the `global` one.
 */
export function parsePipConfig(text: string): Map<string, string[]> {
  const ranks = ['global', 'install', ':env:'];
  const found = new Map<string, { rank: number; values: string[] }>();
  for (const line of text.split('\n')) {
    const [, section = '', key = '', quoted = ''] = /^(global|install|:env:)\.([\w-]+)=(.*)$/.exec(line) ?? [];
    const rank = ranks.indexOf(section);
    if (rank < (found.get(key)?.rank ?? 0)) continue;
    // A Python string literal: its values are separated by blanks or by escaped newlines.
    const values = quoted
      .replace(/^['"]|['"]$/g, '')
      .split(/\s+|\\n/)
      .filter((value) => value !== '');
    found.set(key, { rank, values });
  }
  return new Map([...found].map(([key, { values }]) => [key, values]));
}

/** Unlike pip, uv fails if a `find-links` folder does not exist. */
async function existing(links: string[]): Promise<string[]> {
  const found: string[] = [];
  for (const link of links) {
    const there =
      /^https?:/.test(link) ||
      (await stat(link.replace(/^file:\/\//, '')).then(
        () => true,
        () => false,
      ));
    if (there) found.push(link);
  }
  return found;
}
