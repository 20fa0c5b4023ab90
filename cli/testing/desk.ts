import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import type { JobSpec } from '../../protocol/job.ts';
import { FakeServer, ROOM, ROOM_KEY, TOKEN } from './fake-server.ts';
import { FakeWorker } from './fake-worker.ts';
import { configYaml, EMBEDDED, hdf5 } from './fixtures.ts';
import { TestHome } from './run-cli.ts';

/** The model that the workers of a desk train, and its files. */
export const MODEL = {
  id: 'a3f5e8c9',
  model_type: 'single_instance',
  aliases: ['flies', 'latest-single_instance'],
  run: 'single',
} as const;
export const FILES = ['single/best.ckpt', 'single/training_config.yaml', 'single/sub/labels_gt.slp'];

/** A researcher with labels and a config at hand, a server, and the workers that join. Whoever makes it disposes it. */
export class Desk implements AsyncDisposable {
  readonly home: TestHome;
  readonly server: FakeServer;
  readonly #workers: FakeWorker[] = [];

  private constructor(home: TestHome, server: FakeServer) {
    this.home = home;
    this.server = server;
  }

  static async make(): Promise<Desk> {
    const home = await TestHome.make();
    const server = await FakeServer.start();
    Object.assign(home.env, {
      SLEAP_RTC_SERVER: server.url,
      SLEAP_RTC_ROOM: ROOM,
      SLEAP_RTC_TOKEN: TOKEN,
      SLEAP_RTC_ROOM_KEY: ROOM_KEY,
    });
    const labels = hdf5({ size: 300_000, text: EMBEDDED });
    randomBytes(290_000).copy(labels, 8192);
    await writeFile(home.path('flies.pkg.slp'), labels);
    await writeFile(home.path('single.yaml'), configYaml());
    return new Desk(home, server);
  }

  /** Types `sleap-rtc train`. */
  train(...flags: string[]) {
    return this.home.start('train', 'flies.pkg.slp', '--config', 'single.yaml', ...flags);
  }

  /** A peer that joins the room: by default the worker gpu-1. */
  async joined(name?: string, ...as: [role?: 'worker' | 'client', roomKey?: string]): Promise<FakeWorker> {
    const worker = await FakeWorker.join(this.server, name, ...as);
    this.#workers.push(worker);
    return worker;
  }

  /** Does what a worker does, up to the point where results can be sent. */
  async untilPublished(worker: FakeWorker): Promise<JobSpec> {
    const spec = await this.server.submitted();
    await worker.receive(spec, this.home.path('worker', 'dataset'));
    await worker.epochs(spec.job_id, 'single', 2, 2);
    await worker.publish(spec.job_id, { ...MODEL, aliases: [...MODEL.aliases] }, this.home.path('worker', 'models'));
    return spec;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#workers.splice(0)) await worker[Symbol.asyncDispose]();
    await this.server[Symbol.asyncDispose]();
    await this.home[Symbol.asyncDispose]();
  }
}
