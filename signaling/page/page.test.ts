import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { unknownPath } from '../api/error-reply.ts';
import { pageRoutes } from '../api/page-routes.ts';
import { safeHeaders } from '../api/safe-headers.ts';
import { findPageFiles } from './page-files.ts';

describe('the page as the server serves it', () => {
  let server: Server;
  let url: string;

  before(async () => {
    const app = express();
    app.disable('etag');
    app.use(safeHeaders, pageRoutes(await findPageFiles()), unknownPath);
    server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  it('is complete: every module, style and picture that it names is served', async () => {
    const wanted = ['/'];
    const seen = new Set<string>();
    let imports: Record<string, string> = {};
    for (const path of wanted) {
      if (seen.has(path)) continue;
      seen.add(path);
      const reply = await fetch(url + path);
      assert.equal(reply.status, 200, path);
      const text = await reply.text();
      if (path === '/') imports = JSON.parse(/<script type="importmap">(.*?)<\/script>/s.exec(text)?.[1] ?? '').imports;
      if (path.startsWith('/packages/')) continue;
      const links = [...text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, link = '']) => link);
      const modules = [...text.matchAll(/^import .*? from '([^']+)'/gms)].map(([, name = '']) => {
        return name.startsWith('.') ? new URL(name, `http://x${path}`).pathname : (imports[name] ?? `no ${name}`);
      });
      wanted.push(...links, ...modules);
    }
    assert.ok(
      seen.has('/dashboard/room/room-watch.ts') &&
        seen.has('/protocol/jobs/curve.ts') &&
        seen.has('/packages/uplot.js'),
    );
  });

  it('consists of plain JavaScript, which a browser can run', async () => {
    const reply = await fetch(`${url}/dashboard/connection/invite.ts`);
    assert.match(reply.headers.get('content-type') ?? '', /^text\/javascript/);
    const text = await reply.text();
    assert.doesNotMatch(text, /interface |: string/);
    assert.match(text, /export function readFragment/);
  });

  it('is allowed to load from its own server only, and no script of its own but the import map', async () => {
    const reply = await fetch(url);
    const text = await reply.text();
    const policy = reply.headers.get('content-security-policy') ?? '';
    const [, map = ''] = /<script type="importmap">(.*?)<\/script>/s.exec(text) ?? [];
    const hash = createHash('sha256').update(map).digest('base64');
    assert.match(policy, /^default-src 'self'; /);
    assert.ok(policy.includes(`script-src 'self' 'sha256-${hash}';`));
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.doesNotMatch(text, /<script(?! type="(importmap|module)")|\son\w+=|https?:\/\//);
    assert.equal(reply.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(reply.headers.get('referrer-policy'), 'no-referrer');
  });

  it('serves nothing else, whatever the request', async () => {
    const paths = [
      '/dashboard/README.md',
      '/dashboard/connection/invite.test.ts',
      '/dashboard/../package.json',
      '/dashboard/%2e%2e/package.json',
      '/dashboard/..%2fsignaling%2fmain.ts',
      '/dashboard/%2fetc%2fpasswd',
      '/dashboard/',
      '/protocol/errors.ts',
      '/packages/express.js',
      '/packages/__proto__',
      '/signaling/main.ts',
    ];
    for (const path of paths) {
      // `fetch` would normalise the path first.
      const [reply] = await once(get(url, { path }), 'response');
      reply.resume();
      assert.equal(reply.statusCode, 404, path);
    }
  });

  it('is in the server’s image, though nothing imports it', async () => {
    const dockerfile = new URL('../../deploy/server.Dockerfile', import.meta.url);
    assert.match(await readFile(dockerfile, 'utf8'), /^COPY dashboard \.\/dashboard$/m);
  });

  it('is not sent again if it has not changed', async () => {
    const first = await fetch(`${url}/dashboard/style.css`);
    const etag = first.headers.get('etag') ?? '';
    await first.text();
    const again = await fetch(`${url}/dashboard/style.css`, { headers: { 'if-none-match': etag } });
    assert.equal(again.status, 304);
    assert.equal(again.headers.get('cache-control'), 'no-cache');
  });
});
