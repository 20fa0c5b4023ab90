import { type RequestHandler, Router } from 'express';
import type { PageFile, PageFiles } from '../page/page-files.ts';

/** Scripts, styles and connections of this server only, and the import map, known by its hash. */
function contentSecurityPolicy({ inlineScripts }: PageFile): string {
  return [
    "default-src 'self'",
    ["script-src 'self'", ...inlineScripts.map((hash) => `'sha256-${hash}'`)].join(' '),
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** The web page at `/`, and its modules, styles and pictures. It contains nothing of any room. */
export function pageRoutes(files: PageFiles): Router {
  const router = Router();
  const send: RequestHandler = async (req, res, next) => {
    const file = await files.get(req.path === '/' ? '/dashboard/index.html' : req.path);
    if (file === undefined) {
      next();
      return;
    }
    // Browsers ask again each time, so page and server are always of one release; unchanged files are not sent again.
    res.set({
      'Cache-Control': 'no-cache',
      'Content-Security-Policy': contentSecurityPolicy(file),
      ETag: file.etag,
    });
    if (req.get('if-none-match') === file.etag) res.status(304).end();
    else res.set('Content-Type', file.type).send(file.body);
  };
  // One route for each, so that the log names it.
  for (const path of ['/', '/dashboard/*path', '/packages/:file', '/protocol/*path']) router.get(path, send);
  return router;
}
