import { setTimeout as delay } from 'node:timers/promises';
import type { DataChannel } from '../../connection/connection.ts';
import type { Conversation } from '../wire/conversation.ts';
import { STRIPE_TICK_MS } from './limits.ts';
import { StripePlanner, type StripeReading } from './stripe-planner.ts';

/** A further channel, on a connection of its own. Closing it closes the connection. */
export interface Stripe {
  channel: DataChannel;
  close(): Promise<void>;
}

/** Opens another connection to the same peer, with a channel on it. */
export type OpenStripe = (signal: AbortSignal) => Promise<Stripe>;

/** What the widening of a transfer can see and do. */
interface WideningOptions {
  open: OpenStripe;
  /** Adds a channel to the transfer. Resolves when the channel is over. */
  add: (stripe: Stripe) => Promise<void>;
  /** Closes one of the channels. What was requested on it is requested on the others. */
  drop: (stripe: Conversation) => void;
  stripes: () => readonly Conversation[];
  leftBytes: () => number;
  /** Most channels that both sides accept. */
  most: number;
}

/** Adds connections to a running transfer if they make it faster, and ends those that do not, until it is closed. */
export class Widening {
  readonly #options: WideningOptions;
  readonly #planner: StripePlanner;
  readonly #stop = new AbortController();
  readonly #added = new Set<Promise<void>>();
  readonly #opened = new Set<Stripe>();
  readonly #running: Promise<void>;
  /** What each channel had transferred at the last look. */
  readonly #seen = new Map<Conversation, { dataBytes: number; age: number }>();

  constructor(options: WideningOptions) {
    this.#options = options;
    this.#planner = new StripePlanner(options.most);
    this.#running = this.#run().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await Promise.all([...this.#opened].map((stripe) => stripe.close().catch(() => undefined)));
    await Promise.all(this.#added);
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
      if (step === 'add') await this.#add();
      else this.#drop(stripes[step.drop]);
    }
  }

  #look(stripe: Conversation): StripeReading {
    const { dataBytes, age } = this.#seen.get(stripe) ?? { dataBytes: 0, age: 0 };
    this.#seen.set(stripe, { dataBytes: stripe.dataBytes, age: age + 1 });
    return { movedBytes: stripe.dataBytes - dataBytes, age };
  }

  #drop(stripe: Conversation | undefined): void {
    if (stripe !== undefined) this.#options.drop(stripe);
  }

  async #add(): Promise<void> {
    try {
      const stripe = await this.#options.open(this.#stop.signal);
      this.#opened.add(stripe);
      const added = this.#options.add(stripe).finally(() => {
        this.#opened.delete(stripe);
        this.#added.delete(added);
      });
      this.#added.add(added);
    } catch {
      this.#planner.failed();
    }
  }
}
