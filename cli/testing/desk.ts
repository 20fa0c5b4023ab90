import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { JobSpec } from '../../protocol/jobs/job.ts';
import { FakeWorker } from './fake-worker.ts';
import { configYaml, EMBEDDED, hdf5 } from './fixtures.ts';
import { TestHome } from './run-cli.ts';
import { ROOM, ROOM_KEY, TestServer, TOKEN } from './test-server.ts';

/** The model that the workers of a desk train, and its files. */
export const MODEL = {
  id: 'a3f5e8c9',
  model_type: 'single_instance',
  aliases: ['flies', 'latest-single_instance'],
  run: 'single',
} as const;
export const FILES = ['single/best.ckpt', 'single/training_config.yaml', 'single/sub/labels_gt.slp'];

/** A researcher's computer, a server with one room, and the workers that join it. `useDesk` makes new ones for each test. */
export class Desk {
  #open: { home: TestHome; server: TestServer } | undefined;
  readonly #workers: FakeWorker[] = [];

  get home(): TestHome {
    return this.#opened.home;
  }

  get server(): TestServer {
    return this.#opened.server;
  }

  /** @param inRoom true if the researcher's commands know server, room, token and key */
  async open(inRoom: boolean): Promise<void> {
    const home = await TestHome.make();
    const server = await TestServer.start();
    this.#open = { home, server };
    if (!inRoom) return;
    Object.assign(home.env, {
      SLEAP_RTC_SERVER: server.url,
      SLEAP_RTC_ROOM: ROOM,
      SLEAP_RTC_TOKEN: TOKEN,
      SLEAP_RTC_ROOM_KEY: ROOM_KEY,
    });
  }

  /** Puts labels and a config into the researcher's home. */
  async writeTraining(): Promise<void> {
    const labels = hdf5({ size: 300_000, text: EMBEDDED });
    randomBytes(290_000).copy(labels, 8192);
    await writeFile(this.home.path('flies.pkg.slp'), labels);
    await writeFile(this.home.path('single.yaml'), configYaml());
  }

  /** Starts `sleap-rtc train`. */
  train(...flags: string[]) {
    return this.home.start('train', 'flies.pkg.slp', '--config', 'single.yaml', ...flags);
  }

  /** A peer that joins the room: by default the worker gpu-1. */
  async joined(name?: string, ...as: [role?: 'worker' | 'client', roomKey?: string]): Promise<FakeWorker> {
    const worker = await FakeWorker.join(this.server, name, ...as);
    this.#workers.push(worker);
    return worker;
  }

  /** Does what a worker does until the results can be sent. */
  async untilPublished(worker: FakeWorker): Promise<JobSpec> {
    const spec = await this.server.submitted();
    await worker.receive(spec, this.home.path('worker', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 2, 2);
    await worker.publish(spec.job_id, { ...MODEL, aliases: [...MODEL.aliases] }, this.home.path('worker', 'models'));
    return spec;
  }

  async close(): Promise<void> {
    for (const worker of this.#workers.splice(0)) await worker[Symbol.asyncDispose]();
    await this.#open?.server[Symbol.asyncDispose]();
    await this.#open?.home[Symbol.asyncDispose]();
    this.#open = undefined;
  }

  get #opened() {
    if (this.#open === undefined) throw new Error('no test is running');
    return this.#open;
  }
}

/**
 * Gives each test of a suite a desk of its own.
 * @param options `inRoom: false` for a researcher who knows no room yet; `prepare` runs before each test (default: writes labels
 * and a config)
 */
export function useDesk(options: { inRoom?: boolean; prepare?: (desk: Desk) => Promise<void> } = {}): Desk {
  const desk = new Desk();
  const prepare = options.prepare ?? (() => desk.writeTraining());
  beforeEach(async () => {
    await desk.open(options.inRoom ?? true);
    await prepare(desk);
  });
  afterEach(() => desk.close());
  return desk;
}
