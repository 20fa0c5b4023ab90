import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../../', import.meta.url);
const DASHBOARD = new URL('dashboard/', ROOT);

/** Modules of `protocol/` that import types only, so that a browser can run them. */
const SHARED = ['protocol/jobs/curve.ts'];
/** Files of npm packages, by the name under which the page's import map and links have them. */
const PACKAGES = {
  'preact.js': import.meta.resolve('preact'),
  'htm.js': import.meta.resolve('htm'),
  'uplot.js': new URL('uPlot.esm.js', import.meta.resolve('uplot')).href,
  'uplot.css': new URL('uPlot.min.css', import.meta.resolve('uplot')).href,
};

const TYPES: Record<string, string> = {
  '.html': 'text/html',
  '.css': 'text/css',
  '.ts': 'text/javascript',
  '.js': 'text/javascript',
  '.svg': 'image/svg+xml',
};

/** A file as a browser gets it. */
export interface PageFile {
  /** Media type, with charset. */
  type: string;
  body: string;
  etag: string;
  /** SHA-256 in Base64 of each script that is part of the page itself: its import map. */
  inlineScripts: string[];
}

/** Everything that the page consists of. */
export interface PageFiles {
  /** The file at an address such as `/dashboard/main.ts`; undefined if there is none. */
  get(address: string): Promise<PageFile | undefined>;
}

/**
 * Lists the page's files; nothing else is ever served, whatever the request. Types are stripped when a file is first
 * asked for, and again after it has changed.
 * @throws if the dashboard's folder is missing
 */
export async function findPageFiles(): Promise<PageFiles> {
  const dashboard = (await readdir(DASHBOARD, { recursive: true })).filter(isServed);
  const addresses = new Map<string, string>([
    ...dashboard.map((name) => [`/dashboard/${name}`, fileURLToPath(new URL(name, DASHBOARD))] as const),
    ...SHARED.map((name) => [`/${name}`, fileURLToPath(new URL(name, ROOT))] as const),
    ...Object.entries(PACKAGES).map(([name, url]) => [`/packages/${name}`, fileURLToPath(url)] as const),
  ]);
  const cache = new Map<string, { mtimeMs: number; file: PageFile }>();
  return {
    async get(address) {
      const path = addresses.get(address);
      if (path === undefined) return undefined;
      const { mtimeMs } = await stat(path);
      const cached = cache.get(path);
      if (cached?.mtimeMs === mtimeMs) return cached.file;
      const file = await readPageFile(path);
      cache.set(path, { mtimeMs, file });
      return file;
    },
  };
}

function isServed(name: string): boolean {
  const served = Object.hasOwn(TYPES, extname(name));
  return served && !name.endsWith('.test.ts') && !name.startsWith('testing/');
}

async function readPageFile(path: string): Promise<PageFile> {
  const text = await readFile(path, 'utf8');
  const extension = extname(path);
  const body = extension === '.ts' ? stripTypeScriptTypes(text) : text;
  const type = TYPES[extension.replace('.mjs', '.js')] ?? 'text/plain';
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
  const inline = extension === '.html' ? [...body.matchAll(/<script type="importmap">(.*?)<\/script>/gs)] : [];
  const inlineScripts = inline.map(([, script = '']) => createHash('sha256').update(script).digest('base64'));
  return { type: `${type}; charset=utf-8`, body, etag, inlineScripts };
}
