import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BrowserContext, Page } from 'playwright-core';
import { z } from 'zod';
import { FileEntry } from '../../protocol/files.ts';
import { MEMORY_ROOM } from '../../signaling/testing/memory-server.ts';
import { startBrowser } from '../support/browser.ts';
import { type ReferencePeer, ReferenceRun, type ReferenceStack, type ReferenceTask } from './reference-peer.ts';

const SCRIPTS = join(import.meta.dirname, 'browser');
const PAGE = '<!doctype html><title>Reference peer</title><script type="module" src="/main.js"></script>';

/** What `browser/main.js` defines in the page. */
interface PeerWindow {
  start(options: object, report: (report: object) => void): Promise<void>;
  received(): Promise<unknown>;
  cut(): void;
  report(report: object): void;
}

/** The reference peer in a browser. */
export async function chromium(): Promise<ReferenceStack> {
  const browser = await startBrowser();
  return { peer: () => PagePeer.open(browser), [Symbol.asyncDispose]: () => browser[Symbol.asyncDispose]() };
}

/** A page, which stores what it has received until it is closed, and the server from which it loads what it sends. */
class PagePeer implements ReferencePeer {
  readonly #page: Page;
  readonly #server: Server;
  #folder = '';
  #run: ReferenceRun | undefined;

  private constructor(page: Page, server: Server) {
    this.#page = page;
    this.#server = server;
  }

  static async open(browser: BrowserContext): Promise<PagePeer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const page = await browser.newPage();
    const peer = new PagePeer(page, server);
    server.on('request', ({ url = '/' }, response) => void peer.#serve(decodeURI(url), response));
    await page.exposeFunction('report', (report: unknown) => peer.#run?.take(report));
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(() => 'start' in window);
    return peer;
  }

  async start({ folder, serverUrl, ...task }: ReferenceTask): Promise<ReferenceRun> {
    this.#folder = folder;
    const run = new ReferenceRun(() => this.#page.evaluate(() => (window as unknown as PeerWindow).cut()));
    this.#run = run;
    const found = task.part === 'send' ? await readdir(folder, { recursive: true, withFileTypes: true }) : [];
    const paths = found
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
    const room = { serverUrl, ...MEMORY_ROOM, idToken: 'id-token' };
    const working = this.#page.evaluate(
      (options) => {
        const { start, report } = window as unknown as PeerWindow;
        return start(options, report);
      },
      { ...task, room, paths, jobId: 'job00001' },
    );
    working.catch(() => undefined).finally(() => run.end());
    await run.until(({ ready }) => ready === true);
    return run;
  }

  async received(): Promise<FileEntry[]> {
    return z.array(FileEntry).parse(await this.#page.evaluate(() => (window as unknown as PeerWindow).received()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#page.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(path: string, response: ServerResponse): Promise<void> {
    if (path === '/') {
      response.setHeader('content-type', 'text/html');
      response.end(PAGE);
      return;
    }
    const isScript = /^\/[a-z]+\.js$/.test(path);
    if (isScript) response.setHeader('content-type', 'text/javascript');
    const file = isScript ? join(SCRIPTS, path) : join(this.#folder, path.replace(/^\/files\//, ''));
    // A file that does not exist (Chromium asks for an icon) is sent as an empty one.
    await pipeline(createReadStream(file), response).catch(() => response.end());
  }
}
