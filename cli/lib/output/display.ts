import { createLogUpdate } from 'log-update';

/** How often the live lines are drawn at most, in milliseconds; the eye follows no faster. */
const FRAME_MS = 100;

/** Where progress is shown: lines that stay, and on a terminal a few live ones below them. */
export interface Display {
  /** True where live lines are shown, so that what they show need not be said line by line. */
  readonly live: boolean;
  /** A line that stays. */
  say(line: string): void;
  /** What the live lines are; called whenever they are drawn. */
  show(lines: () => string[]): void;
  /** Takes the live lines away while something else uses the terminal. */
  pause(): void;
  resume(): void;
  /** Takes the live lines away for good. */
  close(): void;
}

/** Progress goes to stderr, so that stdout holds results only. */
export function createDisplay(stream: NodeJS.WriteStream = process.stderr): Display {
  // Some terminals (of CI systems, of `script`) have no size: nothing can be redrawn there.
  const drawable = stream.isTTY && stream.columns > 0 && stream.rows > 0;
  return drawable ? new TerminalDisplay(stream) : new PlainDisplay(stream);
}

/** One line an event, for logs and pipes. */
class PlainDisplay implements Display {
  readonly live = false;
  readonly #stream: NodeJS.WritableStream;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }
  say(line: string): void {
    this.#stream.write(`${line}\n`);
  }
  show(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
}

/** Live lines, redrawn in place. */
class TerminalDisplay implements Display {
  readonly live = true;
  readonly #update: ReturnType<typeof createLogUpdate>;
  readonly #timer: NodeJS.Timeout;
  #lines: () => string[] = () => [];
  #paused = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#update = createLogUpdate(stream);
    this.#timer = setInterval(() => this.#draw(), FRAME_MS);
    this.#timer.unref();
  }
  say(line: string): void {
    this.#update.persist(line);
    this.#draw();
  }
  show(lines: () => string[]): void {
    this.#lines = lines;
    this.#draw();
  }
  pause(): void {
    this.#paused = true;
    this.#update.clear();
    this.#update.done();
  }
  resume(): void {
    this.#paused = false;
    this.#draw();
  }
  close(): void {
    clearInterval(this.#timer);
    this.#update.clear();
    this.#update.done();
  }
  #draw(): void {
    if (!this.#paused) this.#update(this.#lines().join('\n'));
  }
}
