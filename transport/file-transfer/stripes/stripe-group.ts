import { SleapRtcError, toSleapRtcError } from '../../../protocol/errors.ts';
import { Conversation } from '../wire/conversation.ts';
import { greet, Stripe, type StripeLine } from './stripe.ts';

/** What a group is told. */
interface StripeGroupOptions {
  /** Takes part in the transfer on one channel; resolves when the whole transfer is over. */
  serve: (stripe: Stripe) => Promise<void>;
  /** A channel is lost, and what was on its way there with it. */
  onLost: (stripe: Stripe) => void;
  /** Throws the error that a message of the other side reports, if it does. */
  readError: (text: string) => void;
  signal: AbortSignal | undefined;
  /** This side tells the other one from time to time that it lives, as a receiver does. */
  patient: boolean;
}

/** The channels of one transfer, which goes on while one of them lives. */
export class StripeGroup {
  readonly #stripes = new Set<Stripe>();
  readonly #options: StripeGroupOptions;
  readonly #over = Promise.withResolvers<void>();
  #isOver = false;

  constructor(options: StripeGroupOptions) {
    this.#options = options;
    this.#over.promise.catch(() => undefined);
  }

  /** Those that live, the oldest first. */
  get stripes(): readonly Stripe[] {
    return [...this.#stripes];
  }

  /** Starts with the first channel. Resolves when the transfer is over. */
  run(first: Stripe): Promise<void> {
    void this.#serve(first);
    return this.#over.promise;
  }

  /** Adds a further channel, which says that it joins `transfer`; resolves when it or the transfer is over. Never rejects. */
  async join(line: StripeLine, transfer: string, tolerant = false): Promise<void> {
    const conversation = new Conversation(line.channel, this.#options.signal);
    const stripe = new Stripe(conversation, line, tolerant);
    const patience = this.#options.patient ? conversation.keepPatient() : undefined;
    try {
      if (this.#isOver || !(await greet(conversation, transfer)) || this.#isOver) return;
      // Whatever ends the transfer is told on each channel, since the first one may be lost.
      const serving = async () => void (await Promise.race([this.#serve(stripe), this.#over.promise]));
      await conversation.run(serving, this.#options.readError);
    } catch {
      // It is told to the group, or it never became one of it.
    } finally {
      patience?.[Symbol.dispose]();
      await line.close().catch(() => undefined);
    }
  }

  async #serve(stripe: Stripe): Promise<void> {
    this.#stripes.add(stripe);
    try {
      await this.#options.serve(stripe);
      this.#isOver = true;
      this.#over.resolve();
    } catch (thrown) {
      this.#stripes.delete(stripe);
      const lost = !this.#options.signal?.aborted && isLoss(thrown);
      if (lost && !this.#isOver) this.#options.onLost(stripe);
      if (lost && this.#stripes.size > 0) return;
      this.#isOver = true;
      this.#over.reject(thrown);
    }
  }
}

function isLoss(thrown: unknown): boolean {
  const { code } = thrown instanceof SleapRtcError ? thrown : toSleapRtcError(thrown);
  return code === 'PEER_GONE' || code === 'TRANSFER_FAILED';
}
