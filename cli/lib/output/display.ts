import { createLogUpdate } from 'log-update';
import { oneLine, withControls } from './terminal.ts';

/** Pause between two drawings of the live lines, in ms. */
const FRAME_MS = 100;

/** Shows progress: lines that stay and, on a terminal, a few live lines below them. */
export interface Display {
  /** True if live lines are shown. Then their content needs no lines that stay. */
  readonly live: boolean;
  /** Writes a line that stays. */
  say(line: string): void;
  /** Sets the function that returns the live lines. It is called for each drawing. */
  show(lines: () => string[]): void;
  /** Removes the live lines while something else uses the terminal. */
  pause(): void;
  resume(): void;
  /** Removes the live lines. */
  close(): void;
}

/** Creates the display. Progress goes to stderr, so that stdout contains results only. */
export function createDisplay(stream: NodeJS.WriteStream = process.stderr): Display {
  // Some terminals (in CI systems, under `script`) have no size, and lines cannot be redrawn there.
  const drawable = stream.isTTY && stream.columns > 0 && stream.rows > 0;
  return drawable ? new TerminalDisplay(stream) : new PlainDisplay(stream);
}

/** Writes one line for each event, for logs and pipes. */
class PlainDisplay implements Display {
  readonly live = false;
  readonly #stream: NodeJS.WritableStream;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }
  say(line: string): void {
    this.#stream.write(`${oneLine(line)}\n`);
  }
  show(): void {}
  pause(): void {}
  resume(): void {}
  close(): void {}
}

/** Redraws live lines in place. */
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
    withControls(() => this.#update.persist(oneLine(line)));
    this.#draw();
  }
  show(lines: () => string[]): void {
    this.#lines = lines;
    this.#draw();
  }
  pause(): void {
    this.#paused = true;
    this.#clear();
  }
  resume(): void {
    this.#paused = false;
    this.#draw();
  }
  close(): void {
    clearInterval(this.#timer);
    this.#clear();
  }
  #clear(): void {
    withControls(() => {
      this.#update.clear();
      this.#update.done();
    });
  }
  #draw(): void {
    if (!this.#paused) withControls(() => this.#update(this.#lines().map(oneLine).join('\n')));
  }
}
