/**
 * Loaded into a program by `NODE_OPTIONS=--import=…` before anything else: its wall clock runs ahead of the machine's by the
 * number of milliseconds in the file `SLEAP_RTC_TEST_CLOCK`. Timers and `performance.now()` do not change, as when a real clock is set.
 * The process writes a file beside it, named after its id, when it has taken a step.
 */
import { readFileSync, watchFile, writeFileSync } from 'node:fs';

const file = process.env.SLEAP_RTC_TEST_CLOCK;
/** How often the file is read, in ms. */
const LOOK_MS = 100;

if (file !== undefined) {
  let aheadMs = 0;
  const RealDate = Date;
  // biome-ignore lint/suspicious/noGlobalAssign: the clock of the whole process must be set
  Date = class extends RealDate {
    constructor(...given: [] | [number | string | Date]) {
      super(...((given.length === 0 ? [RealDate.now() + aheadMs] : given) as [number]));
    }
    static override now(): number {
      return RealDate.now() + aheadMs;
    }
  } as DateConstructor;
  watchFile(file, { interval: LOOK_MS, persistent: false }, () => {
    aheadMs = Number(readFileSync(file, 'utf8'));
    writeFileSync(`${file}.${process.pid}`, String(aheadMs));
  });
}
