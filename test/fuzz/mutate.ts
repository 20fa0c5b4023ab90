/** Random numbers that are the same for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to `below` - 1. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  }

  pick<Item>(items: readonly [Item, ...Item[]] | readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('there is nothing to pick from');
    return item;
  }
}

/** Pieces of text that parsers get wrong. */
const ODD_TEXT = [
  ...['', '\0', '\r\n', '\u2028', '\ud800', '🐁', '%n', '../', '__proto__', 'constructor', '-0', '1e999', 'NaN'],
  ...['99999999999999999999', '-1', '4294967296', 'null', '[]', '{}', '"', '\\', '\\u0000', ':', '=', ',', ' ', 'a='],
  ...['[[[[[[[[[[[[[[[[[[[[[[[[', 'x'.repeat(5_000), '0'.repeat(400)],
];
/** Values that schemas get wrong. */
const ODD_VALUES: readonly unknown[] = [
  ...[null, true, 0, -1, 1.5, 1e308, Number.MAX_SAFE_INTEGER, '', '*', '\0', '../x', 'x'.repeat(5_000), [], {}],
  ...[[[]], { $eq: 1 }, { $in: ['a'] }, { $ne: null }, Array.from({ length: 300 }, () => 'x'), { constructor: 1 }],
];

/** Changes a text at one to four places. */
export function mutateText(random: Random, text: string): string {
  let changed = text;
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(changed.length + 1);
    const to = at + random.below(Math.min(40, changed.length - at + 1));
    const middle = random.pick([
      () => random.pick(ODD_TEXT),
      () => '',
      () => changed.slice(at, to).repeat(2),
      () => String.fromCharCode(random.below(0x2_00)),
      () => changed.slice(random.below(changed.length + 1)).slice(0, 60),
    ])();
    changed = changed.slice(0, at) + middle + changed.slice(to);
  }
  return changed;
}

/** Changes a value somewhere inside a message, so that it is still JSON. */
export function mutateJson(random: Random, message: unknown): unknown {
  if (message === null || typeof message !== 'object' || random.below(6) === 0) return random.pick(ODD_VALUES);
  if (Array.isArray(message)) {
    const at = random.below(message.length + 1);
    return message.toSpliced(at, 1, mutateJson(random, message[at]));
  }
  const entries = Object.entries(message);
  const at = random.below(entries.length + 1);
  const [key, value] = entries[at] ?? [random.pick(ODD_TEXT), random.pick(ODD_VALUES)];
  const changed = random.below(8) === 0 ? [] : [[key, mutateJson(random, value)] as const];
  return Object.fromEntries([...entries.toSpliced(at, 1), ...changed]);
}

/** Changes bytes of a binary message, or its length. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = Uint8Array.from(
    bytes.subarray(0, random.below(4) === 0 ? random.below(bytes.length + 1) : undefined),
  );
  for (let count = random.below(6); count > 0 && changed.length > 0; count--) {
    changed[random.below(changed.length)] = random.below(256);
  }
  return changed;
}
