import { basename } from 'node:path';
import { foldedPath, RelPath } from '../../../protocol/files.ts';

/** Longest name of a run; `TrainingRun` has the same limit. */
const MAX_RUN_NAME = 100;
/** Longest name of a file, in bytes. File systems store 255, but predictions are called after their video, with more behind it. */
const MAX_FILE_NAME_BYTES = 200;
/** Longest ending that is left whole if a name is too long, in bytes. */
const MAX_ENDING_BYTES = 24;

/** The beginning of an option, of a home folder and of a hidden file. */
const SPECIAL_START = /^[-~.]+/;

/** Gives each of a job's files a unique name on the wire: its own name if every system and program can deal with that. */
export class WireNames {
  readonly #taken = new Set<string>();

  /** The name for a file on the researcher's disk. */
  forFile(path: string): string {
    const own = basename(path).normalize('NFC');
    if (isPlain(own)) return this.#free(own);
    const plain = own
      .toWellFormed()
      .replaceAll(/[^\p{L}\p{M}\p{N}._ =-]/gu, '_')
      .replace(SPECIAL_START, '_')
      .replace(/[. ]+$/, '_');
    // What is still refused is the name of a device: CON.mp4, but not _CON.mp4.
    const named = [plain, `_${plain}`].map((name) => shortened(name, MAX_FILE_NAME_BYTES)).find(isPlain);
    return this.#free(named ?? `file${ending(plain)}`);
  }

  /** The name for a run, made from its config's name: letters, digits and `._=-`. */
  forRun(configPath: string): string {
    const stem = basename(configPath).replace(/\.ya?ml$/i, '');
    const safe = stem
      .normalize('NFKD')
      .replaceAll(/[^A-Za-z0-9._=-]+/g, '_')
      .replace(/^[^A-Za-z0-9]+/, '');
    return this.#free(safe.slice(0, MAX_RUN_NAME) || 'model');
  }

  #free(name: string): string {
    const dot = name.indexOf('.', 1);
    const [stem, rest] = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot)];
    let candidate = name;
    for (let number = 2; this.#taken.has(foldedPath(candidate)); number++) candidate = `${stem}-${number}${rest}`;
    this.#taken.add(foldedPath(candidate));
    return candidate;
  }
}

function isPlain(name: string): boolean {
  return RelPath.safeParse(name).success && !SPECIAL_START.test(name) && Buffer.byteLength(name) <= MAX_FILE_NAME_BYTES;
}

/** Cuts a name in front of its ending, between two characters. */
function shortened(name: string, maxBytes: number): string {
  const rest = ending(name);
  let stem = '';
  for (const character of name.slice(0, name.length - rest.length)) {
    if (Buffer.byteLength(stem + character + rest) > maxBytes) break;
    stem += character;
  }
  return stem + rest;
}

function ending(name: string): string {
  const found = /(\.pkg)?\.[^. ]+$/i.exec(name)?.[0] ?? '';
  return Buffer.byteLength(found) <= MAX_ENDING_BYTES ? found : '';
}
