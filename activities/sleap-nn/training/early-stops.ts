import { mkdir, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { TrainingEvent } from '../process/training-event.ts';

/**
 * If this file exists, the run with this work folder ends early, as does an attempt that begins later. It is beside the folder,
 * which is replaced when checkpoints of another worker are downloaded.
 */
const markOf = (work: string) => `${work}.stop-early`;

/** What `EarlyStops` needs of a run in progress. */
interface Stoppable {
  /** Asks sleap-nn to end after this batch. May be called again. */
  stop(): void;
  /** Reports to the researcher. */
  report(detail: string): void;
}

/**
 * The runs that are to end early with their best model. There is no model before the first epoch is done, so a stop waits until
 * then. It is sent again with every event, since sleap-nn may not listen yet.
 */
export class EarlyStops {
  readonly #underWay = new Map<string, () => void>();

  /** Ends the run with this work folder early. */
  async want(work: string): Promise<void> {
    await mkdir(dirname(work), { recursive: true });
    await writeFile(markOf(work), '');
    this.#underWay.get(work)?.();
  }

  /** True if a stop was requested, perhaps during an earlier attempt. */
  isWanted(work: string): Promise<boolean> {
    return stat(markOf(work)).then(
      () => true,
      () => false,
    );
  }

  /** Follows an attempt from before it starts: pass it sleap-nn's events, and call `dispose` at its end. */
  async follow(work: string, run: Stoppable): Promise<{ onEvent(event: TrainingEvent): void; dispose(): void }> {
    let wanted = false;
    let hasModel = false;
    let ended = false;
    const sendStop = (): void => {
      if (!wanted || ended || !hasModel) return;
      run.stop();
    };
    const want = (): void => {
      if (wanted || ended) return;
      wanted = true;
      run.report(hasModel ? 'stopping early, as was asked' : 'will stop when its first epoch is done, as was asked');
      sendStop();
    };
    this.#underWay.set(work, want);
    if (await this.isWanted(work)) want();
    return {
      onEvent: ({ event }) => {
        if (event === 'epoch_end') hasModel = true;
        if (event === 'train_end') ended = true;
        sendStop();
      },
      dispose: () => {
        ended = true;
        if (this.#underWay.get(work) === want) this.#underWay.delete(work);
      },
    };
  }
}
