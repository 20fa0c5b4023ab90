import { isFinal, isIdle, type JobPhase } from '../../../protocol/jobs/job.ts';
import type { EpochProgress, FrameProgress, JobView, TransferProgress } from '../../../protocol/jobs/job-view.ts';
import type { RunCurve } from '../../../protocol/jobs/run-curve.ts';
import type { Display } from './display.ts';
import { bytes, duration, loss, rate } from './words.ts';

/** Widest bar on a terminal, in characters. */
const BAR_WIDTH = 24;

/** Most earlier epochs of a run to show when this process begins to follow. */
const EARLIER_EPOCHS = 20;

/** Pause between two lines about frames if there is no terminal, in ms. */
const FRAMES_LINE_MS = 5_000;

/** The words for each phase. */
const DOING: Record<JobPhase, string> = {
  queued: 'Waiting for a worker',
  awaiting_data: 'Waiting for the computer that has the data',
  receiving: 'Sending the data',
  training: 'Training',
  predicting: 'Predicting',
  uploading: 'Uploading the model',
  publishing: 'Publishing to the room',
  returning: 'Receiving the results',
  paused: 'Paused',
  done: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** Shows a job's views and this process's transfers. Each phase and each epoch is shown once; a terminal also gets live lines. */
export class JobProgress {
  readonly #display: Display;
  #phase: JobPhase | undefined;
  #worker: string | null = null;
  #detail = '';
  #transfer: TransferProgress | undefined;
  #epoch: EpochProgress | undefined;
  #frames: FrameProgress | undefined;
  #framesSaidAt = 0;
  readonly #troubles = new Map<string, string>();
  readonly #said = new Set<string>();
  /** The shown epochs by run and number, each with its worker: another worker may train an epoch again. */
  readonly #saidEpochs = new Map<string, string | null>();
  readonly #spentMs = new Map<JobPhase, number>();
  /** When the phase began, and until when its time is counted; in ms since 1970. */
  #enteredAt = 0;
  #countedTo = 0;

  constructor(display: Display) {
    this.#display = display;
    display.show(() => this.#liveLines());
  }

  /** The last known phase. */
  get phase(): JobPhase | undefined {
    return this.#phase;
  }

  /** Seconds spent in each phase so far; a job with several runs enters some phases more than once. */
  seconds(now = Date.now()): Partial<Record<JobPhase, number>> {
    this.#count(now);
    return Object.fromEntries([...this.#spentMs].map(([phase, ms]) => [phase, Math.round(ms / 100) / 10]));
  }

  /** Shows a line that stays, once. */
  note(line: string): void {
    if (this.#said.has(line)) return;
    this.#said.add(line);
    this.#display.say(line);
  }

  /** Shows the job as the server sees it now. */
  view({ worker, phase, detail, frames, epoch }: JobView): void {
    this.#took(worker);
    this.#enter(phase, detail);
    if (frames !== undefined) this.#onFrames(frames);
    if (epoch !== undefined) this.#onEpoch(epoch);
  }

  /**
   * Shows the epochs that were trained while this process was not connected: all of a run that it has followed, and a few of any
   * other run, with the last one.
   */
  curve(runs: readonly RunCurve[]): void {
    for (const curve of runs) {
      const isNew = !curve.epochs.some((epoch) => this.#saidEpochs.has(`${curve.run} ${epoch}`));
      const every = isNew ? Math.ceil(curve.epochs.length / EARLIER_EPOCHS) : 1;
      for (const [index, epoch] of curve.epochs.entries()) {
        const key = `${curve.run} ${epoch}`;
        if ((curve.epochs.length - 1 - index) % every !== 0 || this.#saidEpochs.has(key)) continue;
        const losses = { train_loss: curve.train_loss[index] ?? null, val_loss: curve.val_loss[index] ?? null };
        const { run, run_index, max_epochs } = curve;
        this.#saidEpochs.set(key, this.#worker);
        this.#display.say(
          epochLine({ run, run_index, run_count: runs.length, epoch, max_epochs, ...losses, seconds_left: null }),
        );
      }
    }
  }

  /** Progress of a transfer of this process. */
  transfer(progress: TransferProgress): void {
    this.#transfer = progress;
  }

  /** A transfer of this process has ended. */
  transferred(what: 'Sent' | 'Received', totalBytes: number, seconds: number): void {
    const speed = seconds > 0 ? ` (${rate(totalBytes / seconds)})` : '';
    this.#display.say(`${what} ${bytes(totalBytes)} in ${duration(seconds)}${speed}.`);
    this.#transfer = undefined;
  }

  /**
   * Shows that something is unavailable, or that it is available again if there is no sentence.
   * @param source the part that noticed it; several parts notice an unavailable server
   */
  trouble(source: 'api' | 'signaling' | 'temporal', sentence: string | undefined): void {
    if (sentence !== undefined) {
      if (this.#troubles.size === 0) this.#display.say(sentence);
      this.#troubles.set(source, sentence);
    } else if (this.#troubles.delete(source) && this.#troubles.size === 0) this.#display.say('Available again.');
  }

  #took(worker: string | null): void {
    if (worker === null || worker === this.#worker) return;
    this.#display.say(this.#worker === null ? `Worker ${worker} has the job.` : `Worker ${worker} continues the job.`);
    this.#worker = worker;
  }

  #enter(phase: JobPhase, detail: string): void {
    this.#detail = detail;
    if (phase === this.#phase) return;
    if (isIdle(phase) && this.#phase !== undefined) this.#worker = null;
    const isBack = this.#phase !== undefined && (phase === 'queued' || phase === 'awaiting_data') && detail !== '';
    const now = Date.now();
    this.#count(now);
    this.#phase = phase;
    this.#enteredAt = now;
    this.#countedTo = now;
    this.#transfer = undefined;
    // On a terminal, the live line shows it.
    if (phase === 'paused') this.#display.say(`The job is ${detail || 'paused'}.`);
    // A job that has had a worker says why it waits again.
    else if (isBack) this.#display.say(`${detail[0]?.toUpperCase()}${detail.slice(1).replace(/\.$/, '')}.`);
    else if (!isFinal(phase) && !this.#display.live) this.#display.say(`${DOING[phase]}…`);
  }

  #count(now: number): void {
    if (this.#phase === undefined || isFinal(this.#phase)) return;
    this.#spentMs.set(this.#phase, (this.#spentMs.get(this.#phase) ?? 0) + now - this.#countedTo);
    this.#countedTo = now;
  }

  #onEpoch(epoch: EpochProgress): void {
    this.#epoch = epoch;
    if (epoch.epoch === 0) return;
    // Every view has the newest epoch. On a terminal, the live line shows it, and only a run's last epoch stays.
    const key = `${epoch.run} ${epoch.epoch}`;
    const isSaid = this.#saidEpochs.get(key) === this.#worker || this.#saidEpochs.get(key) === null;
    const stays = !this.#display.live || epoch.epoch === epoch.max_epochs;
    if (isSaid) return;
    this.#saidEpochs.set(key, this.#worker);
    if (stays) this.#display.say(epochLine(epoch));
  }

  /** Hundreds of frames arrive: without a terminal, only some lines and the last one are shown. */
  #onFrames(frames: FrameProgress): void {
    this.#frames = frames;
    const isLast = frames.frames === frames.total_frames;
    if (!isLast && (this.#display.live || Date.now() - this.#framesSaidAt < FRAMES_LINE_MS)) return;
    this.#framesSaidAt = Date.now();
    this.note(framesLine(frames));
  }

  #liveLines(): string[] {
    if (this.#phase === undefined || isFinal(this.#phase)) return [];
    const doing = DOING[this.#phase];
    const repeats = this.#detail === '' || this.#detail.toLowerCase().startsWith(doing.toLowerCase());
    const head = repeats ? this.#detail || doing : `${doing}: ${this.#detail}`;
    const lines = [`${head[0]?.toUpperCase()}${head.slice(1)}  ${duration((Date.now() - this.#enteredAt) / 1000)}`];
    if (this.#transfer !== undefined) lines.push(transferLine(this.#transfer));
    if (this.#phase === 'training' && this.#epoch !== undefined) {
      lines.push(`${bar(this.#epoch.epoch, this.#epoch.max_epochs)} ${epochLine(this.#epoch)}`);
    }
    if (this.#phase === 'predicting' && this.#frames !== undefined) {
      lines.push(`${bar(this.#frames.frames, this.#frames.total_frames)} ${framesLine(this.#frames)}`);
    }
    const [trouble] = this.#troubles.values();
    if (trouble !== undefined) lines.push(trouble);
    return lines;
  }
}

function epochLine(epoch: EpochProgress): string {
  const run = epoch.run_count > 1 ? `${epoch.run} (${epoch.run_index + 1}/${epoch.run_count})` : epoch.run;
  return [
    `${run}: epoch ${epoch.epoch}/${epoch.max_epochs ?? '?'}`,
    epoch.train_loss === null ? '' : `train loss ${loss(epoch.train_loss)}`,
    epoch.val_loss === null ? '' : `val loss ${loss(epoch.val_loss)}`,
    epoch.seconds_left === null ? '' : `${duration(epoch.seconds_left)} left`,
  ]
    .filter((part) => part !== '')
    .join('  ');
}

function framesLine({ frames, total_frames, frames_per_s, seconds_left }: FrameProgress): string {
  const speed = frames_per_s === null ? '' : `  ${frames_per_s.toFixed(1)} frames/s`;
  const left = seconds_left === null ? '' : `  ${duration(seconds_left)} left`;
  return `${frames}/${total_frames ?? '?'} frames${speed}${left}`;
}

function transferLine({ bytes: done, total_bytes: total, bytes_per_s: speed }: TransferProgress): string {
  const left = speed > 0 ? `  ${duration((total - done) / speed)} left` : '';
  return `${bar(done, total)} ${bytes(done)} of ${bytes(total)}  ${rate(speed)}${left}`;
}

function bar(done: number, total: number | null): string {
  const part = total === null || total === 0 ? 0 : Math.min(1, done / total);
  const filled = Math.round(part * BAR_WIDTH);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
}
