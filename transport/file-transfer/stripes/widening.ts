import { setTimeout as delay } from 'node:timers/promises';
import { MAX_STRIPES, STRIPE_TICK_MS } from '../wire/limits.ts';
import type { Hello } from '../wire/messages.ts';
import type { Stripe, StripeLine, StripeOpener, Striping } from './stripe.ts';
import type { StripeGroup } from './stripe-group.ts';
import { StripePlanner } from './stripe-planner.ts';

/** What a transfer lets the widening see and do. */
interface WideningOptions {
  open: StripeOpener;
  /** Takes a further channel into the transfer. */
  join: (line: StripeLine, tolerant: boolean) => Promise<void>;
  stripes: () => readonly Stripe[];
  leftBytes: () => number;
  /** Most channels that the other side takes. */
  most: number;
}

/** Adds connections to a running transfer where they pay, and ends those that do not, until disposed. */
class Widening implements AsyncDisposable {
  readonly #options: WideningOptions;
  readonly #planner: StripePlanner;
  readonly #stop = new AbortController();
  readonly #joined = new Set<Promise<void>>();
  readonly #lines = new Set<StripeLine>();
  readonly #running: Promise<void>;
  /** What was seen of each channel at the last look. */
  readonly #seen = new Map<Stripe, { movedBytes: number; age: number }>();

  constructor(options: WideningOptions) {
    this.#options = options;
    this.#planner = new StripePlanner(Math.min(MAX_STRIPES, options.most));
    this.#running = this.#run().catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all([...this.#lines].map((line) => line.close().catch(() => undefined)));
    await Promise.all(this.#joined);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let at = performance.now();
    let cpu = process.cpuUsage();
    for (;;) {
      await delay(STRIPE_TICK_MS, undefined, { signal, ref: false });
      const seconds = (performance.now() - at) / 1000;
      const used = process.cpuUsage(cpu);
      at += seconds * 1000;
      cpu = process.cpuUsage();
      const stripes = this.#options.stripes();
      const step = this.#planner.next({
        seconds,
        stripes: stripes.map((stripe) => this.#look(stripe)),
        leftBytes: this.#options.leftBytes(),
        cpuShare: (used.user + used.system) / 1e6 / seconds,
      });
      if (step === undefined) continue;
      if ('drop' in step) stripes[step.drop]?.drop();
      else await this.#add(step.add.tolerant);
    }
  }

  #look(stripe: Stripe) {
    const { movedBytes, age } = this.#seen.get(stripe) ?? { movedBytes: 0, age: 0 };
    this.#seen.set(stripe, { movedBytes: stripe.movedBytes, age: age + 1 });
    return { movedBytes: stripe.movedBytes - movedBytes, tolerant: stripe.tolerant, age };
  }

  async #add(tolerant: boolean): Promise<void> {
    try {
      const line = await this.#options.open({ tolerant, signal: this.#stop.signal });
      this.#lines.add(line);
      const joined = this.#options.join(line, tolerant).finally(() => {
        this.#lines.delete(line);
        this.#joined.delete(joined);
      });
      this.#joined.add(joined);
    } catch {
      this.#planner.failed();
    }
  }
}

/**
 * Opens a transfer to further channels: as the side that connects, makes them; as the other one, lets them in.
 * @param hello the other side's, which says whether it takes any; @param transfer the sender's name for the transfer
 */
export function widen(
  group: StripeGroup,
  options: {
    striping: Striping | undefined;
    hello: Hello | undefined;
    transfer: string | undefined;
    leftBytes: () => number;
  },
): AsyncDisposable | undefined {
  const { striping, hello, transfer, leftBytes } = options;
  if (striping === undefined || transfer === undefined || hello?.stripes === undefined) return undefined;
  const entry = striping.entrance?.open({ join: (line) => group.join(line, transfer) });
  const widening =
    striping.open === undefined
      ? undefined
      : new Widening({
          open: striping.open,
          join: (line, tolerant) => group.join(line, transfer, tolerant),
          stripes: () => group.stripes,
          leftBytes,
          most: hello.stripes,
        });
  return {
    async [Symbol.asyncDispose]() {
      entry?.[Symbol.dispose]();
      await widening?.[Symbol.asyncDispose]();
    },
  };
}
