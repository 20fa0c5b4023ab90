import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { WebRtcChoice } from '../../transport/index.ts';
import type { Host } from './network.ts';

const CHILD = fileURLToPath(new URL('../../transport/testing/transfer-child.ts', import.meta.url));

const Report = z.object({
  ready: z.boolean().optional(),
  route: z.enum(['direct', 'relay']).optional(),
  received: z.number().optional(),
  sent: z.number().optional(),
  failed: z.string().optional(),
  progress: z.object({ bytes: z.number(), total_bytes: z.number() }).optional(),
});
/** What `transport/testing/transfer-child.ts` reports. */
export type TransferReport = z.infer<typeof Report>;

/** One side of a transfer, on a host. Disposing kills it with SIGKILL. */
export class TransferProcess implements AsyncDisposable {
  /** Every report, with its time in ms. */
  readonly reports: (TransferReport & { atMs: number })[] = [];
  readonly #child;
  #ended = false;
  #wake = Promise.withResolvers<void>();

  constructor(host: Host, how: { role: string; serverUrl: string; folder: string; webRtc: WebRtcChoice }) {
    this.#child = host.node(CHILD, [how.role, how.serverUrl, 'client-1', how.folder], {
      env: { SLEAP_RTC_WEBRTC: how.webRtc },
      stdin: 'ignore',
      stderr: 'inherit',
      reject: false,
    });
    void this.#read();
  }

  /** The first report, from the start on, for which `wanted` is true. @throws if the process ends without one */
  async until(wanted: (report: TransferReport) => boolean): Promise<TransferReport & { atMs: number }> {
    for (;;) {
      const found = this.reports.find(wanted);
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the process ended, having reported ${JSON.stringify(this.reports.at(-1))}`);
      await this.#wake.promise;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#child;
  }

  async #read(): Promise<void> {
    for await (const line of this.#child.iterable()) {
      this.reports.push({ ...Report.parse(JSON.parse(String(line))), atMs: performance.now() });
      this.#wakeUp();
    }
    this.#ended = true;
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }
}
