import type { EpochProgress, WorkerProgress } from '../../../protocol/jobs/job-view.ts';
import type { TrainingEvent } from '../process/training-event.ts';

/** Within an epoch, steps are reported to the room at most this often, in milliseconds. The end of an epoch is always reported. */
const STEP_INTERVAL_MS = 1_000;

/** How many of the last epochs the estimate uses: enough to be steady, few enough to follow a change. */
const WINDOW = 8;

type Publish = (progress: WorkerProgress) => void;

/** Follows one run's events, and reports its progress to the room. */
export class TrainProgress {
  /** True once sleap-nn has sent that training ended. */
  sawTrainEnd = false;
  /** The newest progress, as heartbeats carry it. */
  latest: { detail: string; epoch: EpochProgress };
  readonly #jobId: string;
  readonly #publish: Publish;
  readonly #clock: EpochClock;
  #publishedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: {
    jobId: string;
    run: string;
    runIndex: number;
    runCount: number;
    maxEpochs: number;
    /** Epochs that an earlier attempt did. */
    epochsDone: number;
    publish: Publish;
  }) {
    this.#jobId = options.jobId;
    this.#publish = options.publish;
    this.#clock = new EpochClock(options.maxEpochs);
    this.latest = {
      detail: '',
      epoch: {
        run: options.run,
        run_index: options.runIndex,
        run_count: options.runCount,
        epoch: options.epochsDone,
        max_epochs: options.maxEpochs,
        train_loss: null,
        val_loss: null,
        seconds_left: null,
      },
    };
  }

  /** How long an epoch takes, in milliseconds; undefined before the first one is done. */
  get epochMs(): number | undefined {
    return this.#clock.epochMs;
  }

  /** Reports what is being done, e.g. `loading sleap-nn`. */
  report(detail: string): void {
    this.#update({ detail }, 0);
  }

  /** Takes an event of sleap-nn. */
  onEvent({ event, epoch, batch, logs }: TrainingEvent): void {
    switch (event) {
      case 'train_begin':
        this.report('training');
        break;
      case 'epoch_begin':
        this.#clock.begin();
        break;
      case 'batch_end':
        this.#update({ detail: `epoch ${(epoch ?? 0) + 1}, step ${(batch ?? 0) + 1}` }, STEP_INTERVAL_MS);
        break;
      case 'epoch_end': {
        const done = (epoch ?? this.latest.epoch.epoch) + 1;
        const seconds_left = this.#clock.end(done);
        // sleap-nn's train/loss comes an epoch late; the last batch's loss stands in for the first.
        const train_loss = logs?.['train/loss'] ?? logs?.loss ?? null;
        const val_loss = logs?.['val/loss'] ?? null;
        // Never delayed: the curves that people see are made of these.
        this.#update({ detail: 'training', epoch: { epoch: done, train_loss, val_loss, seconds_left } }, 0);
        break;
      }
      case 'train_end':
        this.sawTrainEnd = true;
        this.#update({ detail: 'evaluating the model', epoch: { seconds_left: null } }, 0);
        break;
    }
  }

  #update(change: { detail: string; epoch?: Partial<EpochProgress> }, minIntervalMs: number): void {
    this.latest = { detail: change.detail, epoch: { ...this.latest.epoch, ...change.epoch } };
    if (performance.now() - this.#publishedAtMs < minIntervalMs) return;
    this.#publishedAtMs = performance.now();
    this.#publish({ job_id: this.#jobId, phase: 'training', ...this.latest });
  }
}

/** Estimates the time left from the epochs seen so far. Time in milliseconds; `now` can be given for tests. */
export class EpochClock {
  readonly #maxEpochs: number;
  readonly #now: () => number;
  readonly #durations: number[] = [];
  #began: number | undefined;

  constructor(maxEpochs: number, now: () => number = Date.now) {
    this.#maxEpochs = maxEpochs;
    this.#now = now;
  }

  /** How long an epoch takes, in milliseconds: the median of the last ones. Undefined before the first one is done. */
  get epochMs(): number | undefined {
    return this.#durations.toSorted((a, b) => a - b)[Math.floor(this.#durations.length / 2)];
  }

  /** Call when an epoch begins. */
  begin(): void {
    this.#began = this.#now();
  }

  /** Call when an epoch ends; `done` epochs have ended in all. Returns the seconds left, or null while unknown. */
  end(done: number): number | null {
    if (this.#began !== undefined) {
      this.#durations.push(this.#now() - this.#began);
      if (this.#durations.length > WINDOW) this.#durations.shift();
    }
    const median = this.epochMs;
    return median === undefined ? null : (Math.max(0, this.#maxEpochs - done) * median) / 1000;
  }
}
