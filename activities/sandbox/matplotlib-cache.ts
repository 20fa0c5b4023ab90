import { readdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Mount, SANDBOX_HOME } from './mounts.ts';

/** matplotlib's lists of fonts, which it would make again in every sandbox (0.3 s). Its folder must be writable, or it ignores them. */
export async function matplotlibCache(env: NodeJS.ProcessEnv): Promise<Mount[]> {
  const cache = env.XDG_CACHE_HOME ?? join(env.HOME ?? homedir(), '.cache');
  const folder = env.MPLCONFIGDIR ?? join(cache, 'matplotlib');
  const lists = (await readdir(folder).catch(() => [])).filter((name) => /^fontlist-[\w.]+\.json$/.test(name));
  return lists.map((name) => {
    const path = join(SANDBOX_HOME, '.cache/matplotlib', name);
    return { path, args: ['--ro-bind', join(folder, name), path] };
  });
}
