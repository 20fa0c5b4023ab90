import { randomInt } from 'node:crypto';
import { Random } from './mutate.ts';
import { targets } from './targets.ts';

/** Inputs in `npm test`, which takes some seconds; `npm run test:fuzz` reads a million. */
const COUNT = Number(process.env.SLEAP_RTC_FUZZ_COUNT || 100_000);
/** The same seed makes the same inputs. */
const SEED = Number(process.env.SLEAP_RTC_FUZZ_SEED || randomInt(2 ** 31));
/** Longest CPU time that one input may take, in milliseconds: the server has one thread for everyone. */
const MAX_CPU_MS = 500;
const SLICE_MS = 60_000;

describe(`${COUNT} damaged frames, messages and descriptions, SLEAP_RTC_FUZZ_SEED=${SEED}`, function () {
  this.timeout(Math.max(SLICE_MS, COUNT));

  const all = targets();
  for (const [index, target] of all.entries()) {
    it(`${target.name}: are read or refused, and never cost more than a moment`, () => {
      const random = new Random(SEED + index);
      const count = Math.ceil(COUNT / all.length);
      for (let number = 1; number <= count; number++) {
        const input = target.make(random);
        const before = process.cpuUsage();
        try {
          target.read(input);
        } catch (cause) {
          throw failure(`was not refused properly`, { number, input, cause });
        }
        const { user, system } = process.cpuUsage(before);
        const cpuMs = (user + system) / 1000;
        if (cpuMs > MAX_CPU_MS) throw failure(`took ${Math.round(cpuMs)} ms`, { number, input });
      }
    });
  }
});

/** Names an input so that it can be read again: `Buffer.from(text, 'base64')`. */
function failure(what: string, at: { number: number; input: string | Uint8Array; cause?: unknown }): Error {
  const base64 = Buffer.from(at.input).toString('base64');
  return new Error(`input ${at.number} of seed ${SEED} ${what}: ${base64}`, { cause: at.cause });
}
