import { EXIT, SleapRtcError } from '../../../protocol/errors.ts';

/** What to do with the job when the researcher interrupts. */
export type InterruptChoice = 'detach' | 'cancel' | 'continue';

/** How far the job is from not needing this computer. */
export interface DataState {
  dataIsAcross: boolean;
  dataIsStaged: boolean;
}

/** Why waiting was ended: the researcher's choice, thrown by everything that listens to the signal. */
export class Interrupted extends SleapRtcError {
  readonly choice: 'detach' | 'cancel';

  constructor(choice: 'detach' | 'cancel') {
    super('INTERRUPTED', choice === 'detach' ? 'Interrupted; detaching.' : 'Interrupted; cancelling the job.');
    this.choice = choice;
  }
}

/** Watches Ctrl-C (and being terminated) for as long as it lives. */
export interface InterruptWatch {
  /** Aborted with `Interrupted` when the researcher chose to detach or cancel. */
  readonly signal: AbortSignal;
  close(): void;
}

/**
 * The first interrupt asks `decide`; a second one while that is open, or after it, ends the process at once.
 * @param decide `asked` is true for Ctrl-C, where somebody may be there to answer
 */
export function watchInterrupts(decide: (asked: boolean) => Promise<InterruptChoice>): InterruptWatch {
  const controller = new AbortController();
  let open = false;

  const onSignal = (name: NodeJS.Signals): void => {
    if (open || controller.signal.aborted) {
      process.stderr.write('\nStopped at once. The job may go on: see `sleap-rtc jobs list`.\n');
      process.exit(EXIT.interrupted);
    }
    open = true;
    decide(name === 'SIGINT')
      .then((choice) => {
        if (choice !== 'continue') controller.abort(new Interrupted(choice));
      })
      // The question itself was interrupted or could not be asked.
      .catch(() => process.exit(EXIT.interrupted))
      .finally(() => {
        open = false;
      });
  };

  const signals: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of signals) process.on(name, onSignal);
  return {
    signal: controller.signal,
    close: () => {
      for (const name of signals) process.off(name, onSignal);
    },
  };
}

/** Asks on the terminal. @throws where Ctrl-C is pressed again */
export async function askInterruptChoice(jobId: string, data: DataState): Promise<InterruptChoice> {
  const { select } = await import('@inquirer/prompts');
  const later = `look again with \`sleap-rtc jobs attach ${jobId}\``;
  return select<InterruptChoice>(
    {
      message: 'What shall become of the job?',
      choices: [
        { value: 'continue', name: 'Go on', description: 'as if nothing had happened' },
        {
          value: 'detach',
          name: 'Detach',
          description: data.dataIsAcross
            ? `the job goes on without this terminal${data.dataIsStaged ? '' : ', but may need this computer if its worker is lost'}; ${later}`
            : `the data is not across yet, so the job waits for it; ${later}`,
        },
        { value: 'cancel', name: 'Cancel', description: 'stop the job for good' },
      ],
    },
    { output: process.stderr },
  );
}
