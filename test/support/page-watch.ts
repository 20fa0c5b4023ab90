import assert from 'node:assert/strict';
import type { BrowserContext, Page } from 'playwright-core';

/** What a page has shown and done since it was opened, for tests of states that pass quickly. */
export interface WatchedPage {
  page: Page;
  /** The phases of a job in the order in which they were shown. */
  phases(jobId?: string): Promise<string[]>;
  /** The numbers of epochs that a curve had, in the order in which they were shown. */
  epochs(): Promise<number[]>;
  /** How often the page was loaded. */
  loads(): number;
  /** Fails if the page had an error, asked another server, or was stopped by its own content security policy. */
  assertClean(): void;
}

interface Seen {
  phases: [job: string, phase: string][];
  epochs: number[];
}

/** Opens a page that records what it shows. `expected` are errors that belong to the test. */
export async function openPage(
  context: BrowserContext,
  url: string,
  options: { expected?: RegExp } = {},
): Promise<WatchedPage> {
  const page = await context.newPage();
  const faults: string[] = [];
  let loads = 0;
  const { origin } = new URL(url);
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('console', (line) => {
    if (line.type() === 'error' && !options.expected?.test(line.text())) faults.push(line.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) faults.push(`asked ${request.url()}`);
    if (request.isNavigationRequest()) loads += 1;
  });
  await page.addInitScript(rememberWhatIsShown);
  await page.goto(url);
  const seen = (): Promise<Seen> => page.evaluate(() => (window as unknown as { seen: Seen }).seen);
  return {
    page,
    phases: async (jobId) => {
      const { phases } = await seen();
      return phases.filter(([job]) => jobId === undefined || job === jobId).map(([, phase]) => phase);
    },
    epochs: async () => (await seen()).epochs,
    loads: () => loads,
    assertClean: () => assert.deepEqual(faults, []),
  };
}

/** Runs in the page. */
function rememberWhatIsShown(): void {
  const seen: Seen = { phases: [], epochs: [] };
  Object.assign(window, { seen });
  const look = (): void => {
    for (const job of document.querySelectorAll<HTMLElement>('[data-job]')) {
      const { job: id = '', phase = '' } = job.dataset;
      if (seen.phases.findLast(([other]) => other === id)?.[1] !== phase) seen.phases.push([id, phase]);
    }
    const epochs = Number(document.querySelector<HTMLElement>('[data-epochs]')?.dataset.epochs ?? 0);
    if (epochs > 0 && seen.epochs.at(-1) !== epochs) seen.epochs.push(epochs);
  };
  new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
}
