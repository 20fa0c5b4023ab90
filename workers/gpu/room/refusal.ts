import type { Logger } from 'pino';
import type { SleapRtcError } from '../../../protocol/errors.ts';
import type { SignalingClient } from '../../../transport/index.ts';
import type { Drain } from '../slot/drain.ts';

interface RefusalOptions {
  signaling: Pick<SignalingClient, 'on'>;
  drain: Pick<Drain, 'start' | 'undo'>;
  logger: Logger;
}

/**
 * Ends a worker that its room refuses after a lost connection, because the room has expired, the token has changed or another worker
 * has its name. It finishes its job, takes no other, and `error` is then what it ends with: its supervisor shows it, and starts it
 * again. If the room accepts it before that, it goes on.
 */
export class Refusal {
  readonly #offs: (() => void)[];
  #error: SleapRtcError | undefined;

  constructor({ signaling, drain, logger }: RefusalOptions) {
    this.#offs = [
      signaling.on('refused', ({ error }) => {
        if (this.#error?.code === error.code) return;
        this.#error = error;
        logger.error(
          { event: 'refused', code: error.code, err: error },
          'the room refuses this worker, which ends now or after its job',
        );
        drain.start(true);
      }),
      signaling.on('connected', () => {
        if (this.#error === undefined) return;
        this.#error = undefined;
        logger.info({ event: 'accepted_again' }, 'the room accepts this worker again');
        drain.undo();
      }),
    ];
  }

  /** Why the room refuses the worker now; undefined if it does not. */
  get error(): SleapRtcError | undefined {
    return this.#error;
  }

  close(): void {
    for (const off of this.#offs) off();
  }
}
