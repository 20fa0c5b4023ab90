import { EXIT, SleapRtcError } from '../../../protocol/errors.ts';
import { ask } from '../output/terminal.ts';

/** What to do with the job when the researcher interrupts. */
export type InterruptChoice = 'detach' | 'cancel' | 'continue';

/** Whether a worker has the job's data, and whether S3 has it. */
export interface DataState {
  workerHasData: boolean;
  dataIsStaged: boolean;
}

/** The reason of the aborted signal: the researcher's choice. */
export class Interrupted extends SleapRtcError {
  readonly choice: 'detach' | 'cancel';

  constructor(choice: 'detach' | 'cancel') {
    super('INTERRUPTED', choice === 'detach' ? 'Interrupted; detaching.' : 'Interrupted; cancelling the job.');
    this.choice = choice;
  }
}

/** Watches Ctrl-C and signals to terminate until it is closed. */
export interface InterruptWatch {
  /** Aborted with `Interrupted` if the researcher chose to detach or to cancel. */
  readonly signal: AbortSignal;
  close(): void;
}

/**
 * Calls `decide` for the first interrupt. A second one ends the process immediately.
 * @param decide `asked` is true for Ctrl-C, since a person may be there to answer
 */
export function watchInterrupts(decide: (asked: boolean) => Promise<InterruptChoice>): InterruptWatch {
  const controller = new AbortController();
  let open = false;

  const onSignal = (name: NodeJS.Signals): void => {
    if (open || controller.signal.aborted) {
      process.stderr.write('\nStopped immediately. The job may continue: see `sleap-rtc jobs list`.\n');
      process.exit(EXIT.interrupted);
    }
    open = true;
    decide(name === 'SIGINT')
      .then((choice) => {
        if (choice !== 'continue') controller.abort(new Interrupted(choice));
      })
      // The question was interrupted or could not be asked.
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

/** Asks on the terminal. @throws ExitPromptError if Ctrl-C is pressed again */
export async function askInterruptChoice(jobId: string, data: DataState): Promise<InterruptChoice> {
  const later = `follow it again with \`sleap-rtc jobs attach ${jobId}\``;
  return ask(({ select }) =>
    select<InterruptChoice>(
      {
        message: 'What should happen to the job?',
        choices: [
          { value: 'continue', name: 'Continue', description: 'keep following the job' },
          {
            value: 'detach',
            name: 'Detach',
            description: data.workerHasData
              ? `the job continues without this terminal${data.dataIsStaged ? '' : ', but needs this computer if its worker is lost'}; ${later}`
              : `no worker has all the data yet, so the job waits for it; ${later}`,
          },
          { value: 'cancel', name: 'Cancel', description: 'end the job without a model' },
        ],
      },
      { output: process.stderr },
    ),
  );
}
